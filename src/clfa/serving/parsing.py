"""Bodies to posts: JSON with pictures in base64, or a form with pictures as files. Nothing is opened."""

from __future__ import annotations

import binascii
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import TypeAdapter, ValidationError
from pydantic_core import from_json
from python_multipart.exceptions import FormParserError
from python_multipart.multipart import Field, File, FormParser, parse_options_header

from clfa.prediction.post import Post
from clfa.serving.refusal import Refusal
from clfa.serving.schemas import Batch, FormPost, OnePost, PostIn
from clfa.serving.settings import Settings

JSON, FORM = "application/json", "multipart/form-data"
# Fields of a form.
_TEXTS = ("id", "text", "knowledge", "explain", "posts")
_FORM_POSTS = TypeAdapter(list[FormPost])
_TRUTHS = {"true": True, "1": True, "on": True, "false": False, "0": False, "": False}


@dataclass(frozen=True)
class Question:
    """A parsed request.

    Args:
        posts: The posts, with pictures as bytes; a refusal in the place of a post that cannot be used.
        ids: Ids that come back with the answers.
        single: Whether the answer is one post's.
        explain: Whether answers are to be explained.
    """

    posts: Sequence[Post | Refusal]
    ids: Sequence[str | int | None]
    single: bool
    explain: bool


def parse(content_type: str, body: bytes, settings: Settings) -> Question:
    """Parse a body.

    Args:
        content_type: The header.
        body: The whole body.
        settings: Bounds.

    Raises:
        Refusal: If the body is of another type, does not fit the schema, or has too many posts or pictures.
    """
    kind, options = parse_options_header(content_type)
    if kind == JSON.encode():
        return _parse_json(body, settings)
    if kind == FORM.encode():
        return _parse_form(options.get(b"boundary", b""), body, settings)
    raise Refusal("unsupported_media_type", f"Send {JSON} or {FORM}.")


def _parse_json(body: bytes, settings: Settings) -> Question:
    try:
        content = from_json(body)
    except ValueError:
        raise Refusal("invalid_request", "The body is no JSON.") from None
    several = isinstance(content, dict) and "posts" in content
    try:
        found = (Batch if several else OnePost).model_validate(content)
    except ValidationError as error:
        raise _invalid(error) from None
    posts: Sequence[PostIn] = found.posts if isinstance(found, Batch) else [found]
    _check_counts(len(posts), sum(len(_listed(post.image)) for post in posts), settings)
    parsed = [_post(post, settings, f"posts.{number}." if several else "") for number, post in enumerate(posts)]
    return Question(parsed, [post.id for post in posts], not several, found.explain)


def _post(post: PostIn, settings: Settings, place: str) -> Post | Refusal:
    pictures = []
    for picture in _listed(post.image):
        try:
            pictures.append(binascii.a2b_base64(picture, strict_mode=True))
        except ValueError:
            problem = "This is no base64. Send the bytes of the picture in base64; paths and addresses are not opened."
            return Refusal("unusable_post", problem, f"{place}image")
    return _checked(post.text, pictures, post.knowledge, settings, place)


def _parse_form(boundary: bytes, body: bytes, settings: Settings) -> Question:
    texts, files = _read_form(boundary, body, settings)
    unknown = sorted(set(texts) - set(_TEXTS))
    if unknown:
        raise Refusal("invalid_request", f"A form has the fields image, {', '.join(_TEXTS)}.")
    explain = _TRUTHS.get(texts.get("explain", "").strip().lower())
    if explain is None:
        raise Refusal("invalid_request", "explain is true or false.", "explain")
    if "posts" not in texts:
        post = _checked(texts.get("text"), [content for _, content in files], texts.get("knowledge"), settings, "")
        return Question([post], [texts.get("id")], True, explain)
    if {"id", "text", "knowledge"} & set(texts):
        raise Refusal("invalid_request", "Give either posts, or the text of one post.", "posts")
    try:
        posts = _FORM_POSTS.validate_json(texts["posts"])
    except ValidationError as error:
        raise _invalid(error, "posts.") from None
    if not posts:
        raise Refusal("invalid_request", "There are no posts.", "posts")
    _check_counts(len(posts), sum(len(_listed(post.image)) for post in posts), settings)
    names = dict(files)
    if len(names) < len(files):
        raise Refusal("invalid_request", "Two pictures have the same file name.", "image")
    parsed = [_named(post, names, settings, f"posts.{number}.") for number, post in enumerate(posts)]
    return Question(parsed, [post.id for post in posts], False, explain)


def _named(post: FormPost, files: dict[str, bytes], settings: Settings, place: str) -> Post | Refusal:
    names = _listed(post.image)
    if any(name not in files for name in names):
        return Refusal("unusable_post", "The form has no picture of this name.", f"{place}image")
    return _checked(post.text, [files[name] for name in names], post.knowledge, settings, place)


def _read_form(boundary: bytes, body: bytes, settings: Settings) -> tuple[dict[str, str], list[tuple[str, bytes]]]:
    """Return texts by field, and names and contents of the files in the field ``image``."""
    texts: dict[str, str] = {}
    files: list[tuple[str, bytes]] = []
    ended = False

    def on_field(field: Field) -> None:
        name, value = _decoded(field.field_name), _decoded(field.value)
        if name == "image":
            if value:
                raise Refusal("invalid_request", "Pictures of a form are files.", "image")
            return
        if name in texts:
            raise Refusal("invalid_request", "A field of a form may occur once; pictures are files.")
        if len(texts) >= len(_TEXTS):
            raise Refusal("invalid_request", f"A form has the fields image, {', '.join(_TEXTS)}.")
        texts[name] = value

    def on_file(file: File) -> None:
        if file.field_name != b"image":
            raise Refusal("invalid_request", "Files of a form stand in the field image.")
        _check_counts(1, len(files) + 1, settings)
        file.file_object.seek(0)
        # Browsers send a file without name and content where none was chosen.
        content = file.file_object.read()
        if content or file.file_name:
            files.append((_decoded(file.file_name), content))

    def on_end() -> None:
        nonlocal ended
        ended = True

    try:
        # Without this bound the parser writes large files to the disk.
        form = FormParser(FORM, on_field, on_file, on_end, boundary or None, config={"MAX_MEMORY_FILE_SIZE": 1 << 62})
        form.write(body)
        form.finalize()
    except FormParserError:
        raise Refusal("invalid_request", "The form is broken.") from None
    if not ended:
        raise Refusal("invalid_request", "The form has no end.")
    return texts, files


def _decoded(value: bytes | None) -> str:
    try:
        return (value or b"").decode("utf-8")
    except UnicodeDecodeError:
        raise Refusal("invalid_request", "Texts of a form are in UTF-8.") from None


def _checked(
    text: str | None, pictures: list[bytes], knowledge: str | None, settings: Settings, place: str
) -> Post | Refusal:
    for name, value in (("text", text), ("knowledge", knowledge)):
        if value is not None and len(value) > settings.max_characters:
            limit = settings.max_characters
            return Refusal("text_too_long", f"The text has more than {limit:,} characters.", f"{place}{name}")
    return Post(text, pictures or None, knowledge)


def _check_counts(posts: int, pictures: int, settings: Settings) -> None:
    if posts > settings.max_posts:
        raise Refusal("too_many_posts", f"A request has at most {settings.max_posts} posts.", "posts")
    if pictures > settings.max_pictures:
        raise Refusal("too_many_pictures", f"A request has at most {settings.max_pictures} pictures.", "image")


def _listed(image: str | list[str] | None) -> list[str]:
    return [] if image is None else [image] if isinstance(image, str) else image


def _invalid(error: ValidationError, place: str = "") -> Refusal:
    """Return the first problem, without the input, which is a post."""
    first: Any = error.errors(include_url=False, include_input=False, include_context=False)[0]
    # Names of the alternatives of a union are no fields of the request.
    steps = [str(step) for step in first["loc"] if not (isinstance(step, str) and not step.isidentifier())]
    steps = [step for step in steps if step not in ("str", "int")]
    extra = first["type"] == "extra_forbidden"
    if extra:
        # The name is the client's text.
        steps = steps[:-1]
    message = "Unknown field." if extra else f"{first['msg']}."
    if first["type"] == "json_invalid":
        message = "The body is no JSON."
    return Refusal("invalid_request", message, (place + ".".join(steps)).rstrip(".") or None)
