from __future__ import annotations

import pytest

from clfa.errors import DataError
from clfa.tables.columns import Columns, find_columns, run_names

HEADER = ("Tweet", " ID", "photo", "text", "mood")


def test_by_usual_names() -> None:
    assert find_columns(HEADER, "t") == Columns(id=" ID", text="text", image="photo")
    assert find_columns(("TWEET ", "Labels", "Fold"), "t") == Columns(text="TWEET ", label="Labels", split="Fold")
    # The first of the usual names, wherever its column stands; the first of equal columns.
    assert find_columns(("title", "caption", "Caption"), "t").text == "caption"


@pytest.mark.parametrize("name", ["Tweet ID", "tweet-id", "TweetId", " TWEET.ID ", "tweet__id"])
def test_blanks_dashes_and_underscores_do_not_count(name: str) -> None:
    assert find_columns(("text", name), "t").id == name
    assert find_columns(("text", name), "t", run=Columns(id="tweet_id")).id == name
    assert find_columns(("text", name), "t", given={"id": "tweet_id"}).id == name
    assert find_columns(("text", name), "t", run=Columns(unused=("tweet_id",))).id is None
    # The very name comes first, wherever its column stands.
    assert find_columns(("text", name, "tweet_id"), "t").id == "tweet_id"
    # A name without letters is that column and no other.
    with pytest.raises(DataError, match="no column '_'"):
        find_columns(("text", "-"), "t", given={"text": "_"})


def test_chinese_names() -> None:
    found = find_columns(("编号", "文本", "图片", "标签", "划分"), "t")
    assert found == Columns(id="编号", text="文本", image="图片", label="标签", split="划分")
    assert find_columns(("文本", "text"), "t").text == "text"


def test_given_columns() -> None:
    assert find_columns(HEADER, "t", given={"text": "tweet", "label": "mood"}) == Columns(
        id=" ID", text="Tweet", image="photo", label="mood"
    )
    with pytest.raises(
        DataError, match=r"t: no column 'post' \(given as text=\.\.\.\); columns there: Tweet,  ID, photo"
    ):
        find_columns(HEADER, "t", given={"text": "post"})
    # JSON lines declare no columns: any of the rows to come may have it.
    assert find_columns(("a",), "t", given={"text": "post"}, declared=False).text == "post"


def test_columns_of_a_run() -> None:
    run = Columns(id=None, text="Tweet", image="absent", label="mood", image_root="/pictures", unused=("id",))
    found = find_columns(HEADER, "t", run=run)
    # Its own first, the usual ones where a table has them under other names, and none that was of no use.
    assert found == Columns(text="Tweet", image="photo", label="mood", image_root="/pictures", unused=("id",))
    assert find_columns(HEADER, "t", run=run, given={"id": " ID", "text": "text"}).id == " ID"


def test_columns_of_a_run_in_tables_that_declare_none() -> None:
    run = Columns(id="id", text="text", image="image")
    # The same columns as in a table that declares them, and the run's only where there is no other.
    found = find_columns(("tweet_id", "content"), "t", run=run, declared=False)
    assert found == Columns(id="tweet_id", text="content", image="image")
    assert find_columns(("tweet_id", "content"), "t", run=run) == Columns(id="tweet_id", text="content")
    assert find_columns(("ID", "text", "tweet"), "t", run=run, declared=False).id == "ID"
    assert find_columns(("uid",), "t", run=Columns(text="text", unused=("uid",)), declared=False).id is None


def test_required_columns() -> None:
    with pytest.raises(DataError, match=r"t: no text column; name it with text=\.\.\.; columns there: a, b"):
        find_columns(("a", "b"), "t")
    with pytest.raises(DataError, match=r"t: no image column; name it with image=\.\.\.; columns there: text"):
        find_columns(("text",), "t", required=("text", "image"))
    assert find_columns(("a", "b"), "t", required=()) == Columns()


def test_usual_names_may_be_absent_and_others_must_not() -> None:
    given, run = run_names({"text": "text", "image": "file", "id": None})
    assert given == {"image": "file"}
    assert run == Columns(text="text")


def test_columns_are_kept_as_json() -> None:
    columns = Columns(text="a", separator=";", targets={"t": ["x", "y"]}, unused=("id",))
    content = columns.to_dict()
    assert content["targets"] == {"t": ["x", "y"]}
    assert Columns.from_dict({**content, "of a later version": 1}).to_dict() == content
