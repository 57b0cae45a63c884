"""What the posts of the synthetic data set talk about and show: concepts, their wordings, their emoji, the templates.

Every concept has the same number of wordings and of emoji (:data:`VARIANTS`), because the split design of
:mod:`clfa.demo.design` is a Latin square over the two. A wording must be true of *every* emoji of its concept
("fresh fruit", never "a red apple"), and a template must take any wording.
"""

from __future__ import annotations

from dataclasses import dataclass

VARIANTS = 4
"""Wordings per concept, and emoji per concept."""


@dataclass(frozen=True)
class Concept:
    """One thing a post can claim and a picture can show.

    Args:
        name: Short English name.
        wordings: :data:`VARIANTS` noun phrases for it.
        emoji: :data:`VARIANTS` OpenMoji hexcodes (file names without ``.svg``) that show it.
    """

    name: str
    wordings: tuple[str, str, str, str]
    emoji: tuple[str, str, str, str]


CONCEPTS: tuple[Concept, ...] = (
    Concept(
        "dog",
        ("my loyal dog", "a happy puppy", "a walk with the dog", "a good boy that barks"),
        ("1F436", "1F415", "1F429", "1F9AE"),
    ),
    Concept(
        "cat",
        ("my lovely cat", "a purring kitten", "a cat that wants milk", "our house cat"),
        ("1F431", "1F408", "1F408-200D-2B1B", "1F63A"),
    ),
    Concept(
        "bird",
        ("a beautiful bird", "birdwatching", "a feathered visitor", "the bird of the year"),
        ("1F99C", "1F989", "1F54A", "1F427"),
    ),
    Concept(
        "fish",
        ("a big fish", "an aquarium visit", "fish under the sea", "the catch from our fishing trip"),
        ("1F41F", "1F420", "1F421", "1F988"),
    ),
    Concept(
        "flowers",
        ("fresh flowers", "a pretty blossom", "flowers from the garden", "a bunch from the florist"),
        ("1F337", "1F339", "1F33B", "1F490"),
    ),
    Concept(
        "sunshine",
        ("bright sunshine", "a sunny day", "hot summer sun", "sun on my skin"),
        ("2600", "1F31E", "1F305", "1F3D6"),
    ),
    Concept(
        "rain",
        ("a rainy day", "rain all afternoon", "wet weather and an umbrella", "a heavy downpour"),
        ("1F327", "2614", "26C8", "1F302"),
    ),
    Concept(
        "snow",
        ("fresh snow", "a white winter day", "snowfall", "ice and snow"),
        ("2744", "26C4", "2603", "1F328"),
    ),
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
    Concept(
        "hot drink",
        ("a hot drink", "something warm to sip", "my morning cup", "a steaming cup of tea"),
        ("2615", "1F375", "1FAD6", "1F9C9"),
    ),
    Concept(
        "cake",
        ("home-made cake", "a sweet dessert", "something from the bakery", "a piece of cake"),
        ("1F382", "1F370", "1F9C1", "1F967"),
    ),
    Concept(
        "fast food",
        ("fast food for dinner", "greasy takeaway", "junk food", "a snack from the burger place"),
        ("1F354", "1F32D", "1F35F", "1F355"),
    ),
    Concept(
        "fruit",
        ("fresh fruit", "my favourite fruit", "a fruity snack", "vitamins from the orchard"),
        ("1F34E", "1F34C", "1F353", "1F347"),
    ),
    Concept(
        "vegetables",
        ("healthy vegetables", "a vegetable dinner", "fresh greens", "veggies from the field"),
        ("1F966", "1F955", "1F96C", "1F33D"),
    ),
    Concept(
        "music",
        ("live music", "my musical instrument", "band practice", "a concert night"),
        ("1F3B8", "1F3BB", "1F3BA", "1F3B7"),
    ),
    Concept(
        "ball game",
        ("a ball game", "sports with the team", "a match on the pitch", "playing ball"),
        ("26BD", "1F3C0", "1F3C8", "1F3BE"),
    ),
    Concept(
        "computer",
        ("my new computer", "an evening at the PC", "computer work", "better office hardware"),
        ("1F4BB", "1F5A5", "2328", "1F5B1"),
    ),
    Concept(
        "books",
        ("a good book", "an evening of reading", "pages to read", "something from the library"),
        ("1F4D6", "1F4DA", "1F4D5", "1F4D4"),
    ),
    Concept(
        "house",
        ("my own house", "a home to live in", "a house in the suburbs", "our new home"),
        ("1F3E0", "1F3E1", "1F3D8", "1F3DA"),
    ),
    Concept(
        "shoes",
        ("new shoes", "stylish footwear", "a pair from the shoe shop", "comfortable shoes"),
        ("1F45F", "1F460", "1F97E", "1F45E"),
    ),
    Concept(
        "clock",
        ("a precise clock", "time on my hands", "a ticking timepiece", "a clock that runs"),
        ("23F0", "1F570", "231A", "23F1"),
    ),
)
"""An even number of concepts: the design pairs them like teams of a round-robin tournament."""

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
"""Every template claims or praises ``{x}``; none says whether the claim is meant."""

DISTRACTORS: tuple[str, ...] = ("2728", "2B50", "1F388", "2764", "1F380", "1F4CC", "1F4A1", "1F511")
"""OpenMoji hexcodes of small things (sparkles, star, balloon, heart, ribbon, pin, bulb, key) no concept stands for."""
