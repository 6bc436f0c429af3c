"""Matching agrees with a slow reader of the same rules, and stays quick whatever the text."""

from __future__ import annotations

import random
import time
import unicodedata
from collections.abc import Sequence
from functools import cache

import pytest
import regex

from listening.matching import Match, Matcher, Query, problems, spans
from tests.listening.corpora import corpus, grown


def says(term: str, *texts: str) -> bool:
    return bool(Matcher([Query("q", any_of=[term])]).matches(texts))


@pytest.mark.parametrize(
    ("term", "text"),
    [
        ("Nivalta", "la NIVALTA è qui"),
        ("nivalta", "Nivàlta!"),
        ("perché", "PERCHE no"),
        ("perche", "perche\u0301 no"),
        ("strasse", "Straße"),
        ("cœur", "coeur"),
        ("sørensen", "Sorensen"),
        ("azienda", "l'azienda"),
        ("azienda", "dell’azienda"),
        ("l’azienda", "L'Azienda"),
        ("nivalta", "non-nivalta"),
        ("nivalta", "Nivalta™"),
        ("nivalta", "Nivalta² (nota)"),
        ("nivalta", "ni\u00advalta"),
        ("nivalta", "ｎｉｖａｌｔａ"),
        ("nivalta", "𝓝𝓲𝓿𝓪𝓵𝓽𝓪"),
        ("nivalta", "https://nivalta.example/negozio"),
        ("nivalta", "#Nivalta"),
        ("nivalta", "@nivalta@social.example"),
        ("#nivalta", "ecco #NIVALTA, nuova"),
        ("#nivalta", "＃nivalta"),
        ("#passo-lento", "#PassoLento"),
        ("@nivalta", "grazie @Nivalta!"),
        ("@nivalta", "grazie @nivalta@social.example."),
        ("@nivalta", "\u2068@nivalta.bsky.social\u2069"),
        ("@nivalta@social.example", "(@nivalta@social.example)"),
        ("passo lento", "a passo\n   lento"),
        ("passo lento", "Passo-Lento"),
        ("passo lento", "passo\u00a0lento"),
        ("“passo lento”", "passo lento"),
        ("passo lento", "viva il #PassoLento"),
        ("东京", "我在东京工作"),
        ("iphone", "新iPhone発売"),
        ("カフェ", "駅前のカフェで"),
        ("ガス", "ｶﾞｽ料金"),
        ("한국", "한국에서"),
        ("กาแฟ", "ร้านกาแฟดี"),
        ("❤", "tanto ❤️"),
        ("❤️", "tanto❤!"),
        ("c++", "il C++ è"),
        ("50%", "sconto 50% oggi"),
    ],
)
def test_a_term_is_heard(term: str, text: str) -> None:
    assert says(term, text)


@pytest.mark.parametrize(
    ("term", "text"),
    [
        ("nivalta", "nivaltano"),
        ("nivalta", "nivalta_shop"),
        ("nivalta", "nivalta2"),
        ("nivalta", "#nivaltaitalia"),
        ("#nivalta", "nivalta"),
        ("#nivalta", "#nivaltaitalia"),
        ("#nivalta", "via/#nivalta"),
        ("#nivalta", "a#nivalta"),
        ("@nivalta", "nivalta"),
        ("@nivalta", "posta@nivalta.example"),
        ("@nivalta", "@nivaltashop"),
        ("@nivalta@social.example", "@nivalta@altro.example"),
        ("passo lento", "passo. Lento"),
        ("passo lento", "passo molto lento"),
        ("passo lento", "#PassoLentoClub"),
        ("passo lento", "passolento"),
        ("ハト", "パトカー"),
        ("はと", "ばと"),
        ("하", "한"),
        ("«»", "un «» vuoto"),
        ("", "niente"),
    ],
)
def test_a_term_is_not_heard_in_something_else(term: str, text: str) -> None:
    assert not says(term, text)


def test_fields_are_read_together_but_a_phrase_stays_inside_one() -> None:
    assert Matcher([Query(1, all_of=["passo", "lento"])]).matches(["passo", "lento"])
    assert not says("passo lento", "a passo", "lento")


def test_any_all_and_none() -> None:
    matcher = Matcher(
        [
            Query("any", any_of=["scarpe", "Stivali"]),
            Query("both", any_of=["scarpe"], all_of=["neve", "Alpi"]),
            Query("all", all_of=["neve"]),
            Query("none", all_of=["neve"], none_of=["saldi"]),
            Query("empty"),
            Query("only none", none_of=["saldi"]),
            Query("nothing to hear", any_of=["!!"], all_of=["neve"]),
            Query("never all", any_of=["neve"], all_of=["…"]),
        ]
    )
    assert matcher.matches(["stivali e SCARPE"]) == [Match("any", ("scarpe", "Stivali"))]
    assert matcher.matches(["neve sulle alpi, scarpe; saldi"]) == [
        Match("any", ("scarpe",)),
        Match("both", ("scarpe", "neve", "Alpi")),
        Match("all", ("neve",)),
    ]
    assert [match.query_id for match in matcher.matches(["neve"])] == ["all", "none"]
    assert matcher.matches(["altro"]) == matcher.matches([]) == []


def test_spans_point_into_the_text_as_it_was_written() -> None:
    text = "La «NIVA\u0301LTA» straße: #PassoLento e  passo -  lento, oh straßen nivalta"
    found = [text[start:end] for start, end in spans(text, ["nivalta", "passo lento", "strasse", "lento"])]
    assert found == ["NIVA\u0301LTA", "straße", "#PassoLento", "passo -  lento", "nivalta"]
    assert spans(text, []) == spans("", ["nivalta"]) == []


# ── against a slow reader ───────────────────────────────────────────────────────────────────────────────────────────

SPACELESS = r"\p{Han}\p{Hiragana}\p{Katakana}\p{Hangul}\p{Thai}ー"
LETTER = rf"[[\p{{L}}\p{{M}}\p{{Nd}}_]--[{SPACELESS}]]"
GAP = r"[\s'\-\u2010\u2011]+"


def slow_fold(text: str) -> str:
    """The whole text at once, by another way than the table: enough for the alphabets used here."""
    text = regex.sub("[\uff01-\uffdc]+", lambda wide: unicodedata.normalize("NFKC", wide.group()), text)
    text = regex.sub("[’‘ʼ]", "'", text).replace("\u200b", " ")
    text = regex.sub("[\u00ad\ufe0f\u200d\u2068\u2069]", "", text)
    text = regex.sub("[\u0300-\u036f]", "", unicodedata.normalize("NFD", text.casefold()))
    return unicodedata.normalize("NFC", text).replace("ø", "o").replace("œ", "oe")


@cache
def slow_shapes(term: str) -> list[regex.Pattern[str]]:
    """The ways in which a term may stand in a text that `slow_fold` made."""
    term = slow_fold(term).strip()
    words = [word for word in regex.split(GAP, term.lstrip("#")) if word]
    if not words:
        return []
    # A script without spaces has no word ends, in a hashtag as elsewhere.
    after = rf"(?!{LETTER})" if regex.search(rf"(?V1){LETTER}$", words[-1]) else ""
    before = rf"(?<!{LETTER})" if regex.match(rf"(?V1){LETTER}|@", words[0]) else ""
    hashtag = rf"(?<!{LETTER}|[/&#])#{regex.escape(''.join(words))}{after}"
    phrase = before + GAP.join(map(regex.escape, words)) + after
    shapes = [hashtag] if term.startswith("#") else [phrase, hashtag] if len(words) > 1 else [phrase]
    return [regex.compile("(?V1)" + shape) for shape in shapes]


def slow_says(term: str, folded_texts: Sequence[str]) -> bool:
    return any(shape.search(text) for shape in slow_shapes(term) for text in folded_texts)


VOCABULARY = """
    nivalta Nivàlta NIVALTA perché perche\u0301 città azienda l'azienda dell’azienda passo lento Lento passolento x 2026
    #PassoLento #nivalta ＃Nivalta #nivaltaitalia @nivalta @nivalta@social.example @Nivalta.bsky.social strada straße
    strasse ｎｉｖａｌｔａ ni\u00advalta Ελλάδα Ἑλλάς ΟΔΟΣ ὁδός Москва йод cœur sørensen naïve c++ nivalta_2 şehir é ñ
    東京 東京タワー が か カフェ ｶﾌｪ 한국 한국에서 กาแฟ กา ❤️ ❤ 👩\u200d💻 👍🏽 🇮🇹 50%
"""
WORDS = VOCABULARY.split()
JOINTS = [*"    \n-'’_#@/!.\u00a0\u200b", "", "", ", ", " - "]
PHRASES = ["passo lento", "Passo-Lento", "l azienda", "東京 カフェ", "lento nivalta", "città nivalta"]
TERMS = WORDS + PHRASES


def made_text(chance: random.Random) -> str:
    return "".join(chance.choice(WORDS) + chance.choice(JOINTS) for _ in range(chance.randint(0, 7)))


def made_query(chance: random.Random, number: int) -> Query:
    any_of, all_of, none_of = (
        chance.sample(TERMS, chance.choice(sizes)) for sizes in ((0, 1, 3), (0, 0, 1, 2), (0, 1))
    )
    return Query(number, any_of, all_of, none_of)


def admitted(query: Query, found: set[str]) -> bool:
    """The meaning of a query, written out."""
    if not query.any_of and not query.all_of:
        return False
    any_of = not query.any_of or any(term in found for term in query.any_of)
    return any_of and all(term in found for term in query.all_of) and not any(term in found for term in query.none_of)


def test_no_disagreement_with_a_slow_reader_on_ten_thousand_texts() -> None:
    chance = random.Random(2026)
    queries = [made_query(chance, number) for number in range(40)]
    matcher, each_term = Matcher(queries), Matcher([Query(term, any_of=[term]) for term in TERMS])
    heard: set[str] = set()
    for number in range(10_000):
        texts = [made_text(chance) for _ in range(chance.choice((1, 1, 2)))]
        folded_texts = [slow_fold(text) for text in texts]
        found = {term for term in TERMS if slow_says(term, folded_texts)}
        assert {match.query_id for match in each_term.matches(texts)} == found, texts
        assert [m.query_id for m in matcher.matches(texts)] == [q.id for q in queries if admitted(q, found)], texts
        if number % 20 == 0:
            assert any(spans(text, TERMS) for text in texts) == bool(found), texts
        heard |= found
    assert heard == set(TERMS)


def test_many_queries_give_what_few_give() -> None:
    few = [Query(number, any_of=[f"marca{number}"]) for number in range(100)]
    many = few + [Query(number, any_of=[f"marca{number}", "#m" + str(number)]) for number in range(100, 10_000)]
    texts = [f"oggi Marca{number}, domani #m{number + 50}" for number in range(150)]
    matcher, small = Matcher(many), Matcher(few)
    for text in texts:
        assert [m for m in matcher.matches([text]) if int(str(m.query_id)) < 100] == small.matches([text])


def test_no_text_takes_a_second() -> None:
    matcher = Matcher([Query(t, any_of=[t]) for t in [*TERMS, "a", "aa", "aaa", "a a", "a a a", "<a", "&#"]])
    for recipe in corpus("redos-strings/recipes.json"):
        text = grown(recipe)
        begun = time.perf_counter()
        matcher.matches([text])
        assert time.perf_counter() - begun < 1, recipe


def test_naughty_strings_are_heard_and_break_nothing() -> None:
    strings = corpus("naughty-strings/strings.json")
    matcher = Matcher([Query(text, any_of=[text]) for text in strings])
    for text in [*strings, "\ud800 lone \udfff", "nul \0 nul"]:
        matcher.matches([text, text])
        spans(text, [text])


# ── what people are told ────────────────────────────────────────────────────────────────────────────────────────────


def test_a_good_query_has_no_problem() -> None:
    assert problems(["Nivalta", "passo lento", "#PassoLento", "@nivalta", "東京", "❤️"], ["neve"], ["saldi"]) == []
    assert problems([], ["neve"], []) == []


@pytest.mark.parametrize(
    ("lists", "words"),
    [
        (([], [], ["saldi"]), "Name at least one word"),
        (([" "], [], []), "empty line"),
        ((["x" * 101], [], []), "at most 100 characters"),
        ((["?!"], [], []), "“?!” has no letter"),
        ((["#"], [], []), "“#” has no letter"),
        ((["#passo lento"], [], []), "a hashtag is one word"),
        ((["perché"], [], ["PERCHE"]), "“PERCHE” is both wanted and excluded"),
        (([], ["100%"], ["100%"]), "“100%” is both wanted and excluded"),
    ],
)
def test_a_bad_query_is_told_in_words(lists: tuple[list[str], list[str], list[str]], words: str) -> None:
    told = problems(*lists)
    assert len(told) == 1
    assert words in str(told[0])
