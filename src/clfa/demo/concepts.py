"""Concepts of the synthetic data set, with their wordings and emoji, and the text templates.

There are :data:`ORDER` concepts per family, wordings per concept and emoji per concept; the split design of
:mod:`clfa.demo.design` uses Latin squares of that order. A wording must be true of *every* emoji of its concept ("fresh
fruit", never "a red apple"), and every template must fit every wording.
"""

from __future__ import annotations

from dataclasses import dataclass

ORDER = 4
"""Concepts per family, wordings per concept and emoji per concept."""


@dataclass(frozen=True)
class Concept:
    """A thing that a post can claim and an image can show.

    Args:
        name: Short English name.
        wordings: :data:`ORDER` noun phrases for the concept.
        emoji: :data:`ORDER` OpenMoji hexcodes (file names without ``.svg``) that show the concept.
    """

    name: str
    wordings: tuple[str, str, str, str]
    emoji: tuple[str, str, str, str]


FAMILIES: dict[str, tuple[Concept, Concept, Concept, Concept]] = {
    "animals": (
        Concept(
            "dog",
            ("my loyal dog", "a happy puppy", "a walk with the dog", "our barking dog"),
            ("1F436", "1F415", "1F429", "1F9AE"),
        ),
        Concept(
            "cat",
            ("my lovely cat", "a purring kitten", "a cat that wants milk", "our house cat"),
            ("1F431", "1F408", "1F408-200D-2B1B", "1F63A"),
        ),
        Concept(
            "bird",
            ("a beautiful bird", "birdwatching", "a feathered bird", "the bird of the year"),
            ("1F99C", "1F989", "1F54A", "1F427"),
        ),
        Concept(
            "fish",
            ("a big fish", "a fish in the aquarium", "fish under the sea", "the fish I saw while diving"),
            ("1F41F", "1F420", "1F421", "1F988"),
        ),
    ),
    "vehicles": (
        Concept(
            "car",
            ("my new car", "a shiny automobile", "a drive by car", "the car of my dreams"),
            ("1F697", "1F699", "1F698", "1F695"),
        ),
        Concept(
            "train",
            ("a train ride", "the train on time", "travelling by rail", "the express train"),
            ("1F682", "1F684", "1F686", "1F683"),
        ),
        Concept(
            "aeroplane",
            ("a flight to the south", "my plane at the airport", "an aeroplane in the sky", "flying by aircraft"),
            ("2708", "1F6E9", "1F6EB", "1F6EC"),
        ),
        Concept(
            "boat",
            ("a boat trip", "a ship on the sea", "a cruise on the water", "our boat in the harbour"),
            ("26F5", "1F6A2", "1F6A4", "1F6E5"),
        ),
    ),
    "food": (
        Concept(
            "cake",
            ("home-made cake", "a sweet dessert", "cake from the bakery", "a pastry with cream"),
            ("1F382", "1F370", "1F9C1", "1F967"),
        ),
        Concept(
            "fast food",
            ("fast food for dinner", "greasy takeaway", "junk food", "a snack from the burger place"),
            ("1F354", "1F32D", "1F35F", "1F355"),
        ),
        Concept(
            "fruit",
            ("fresh fruit", "my favourite fruit", "a fruity snack", "ripe fruit from the orchard"),
            ("1F34E", "1F34C", "1F353", "1F347"),
        ),
        Concept(
            "vegetables",
            ("healthy vegetables", "a vegetable dinner", "fresh greens", "veggies from the field"),
            ("1F966", "1F955", "1F96C", "1F33D"),
        ),
    ),
}

CONCEPTS: tuple[Concept, ...] = tuple(concept for family in FAMILIES.values() for concept in family)
"""All concepts, family by family. Other modules refer to a concept by its index here."""

TEMPLATES: tuple[str, ...] = (
    "Nothing beats {x} today.",
    "So happy about {x} right now!",
    "Exactly what I wanted: {x}.",
    "Just look at this, {x}, wonderful.",
    "They promised {x} and they kept their word.",
    "Finally {x}, as announced.",
    "My view this morning: {x}.",
    "The highlight of today is clearly {x}.",
    "What a joy, {x} again.",
    "Best part of the weekend: {x}.",
    "Yes, this is {x}, no doubt about it.",
    "I could not ask for more than {x}.",
    "Here we go, {x} for everyone!",
    "I love how {x} makes my day.",
    "Behold: {x} in all its glory.",
    "Lucky me, {x} at last.",
    "The advert said {x}. Spot on.",
    "Well, that is what I call {x}.",
    "Great service, I got {x} right away.",
    "Enjoying {x} with my friends.",
    "Nobody does {x} like this town.",
    "Perfect timing, {x} when I needed it.",
    "Thank you for {x}, truly.",
    "Monday starts with {x}, lovely.",
)
"""Text templates. Each claims or praises ``{x}``; none tells whether the claim is sincere."""

DISTRACTORS: tuple[str, ...] = ("2728", "2B50", "1F388", "2764", "1F380", "1F4CC", "1F4A1", "1F511")
"""OpenMoji hexcodes of small things that show no concept: sparkles, star, balloon, heart, ribbon, pin, bulb, key."""
