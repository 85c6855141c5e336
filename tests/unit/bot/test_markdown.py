from hypothesis import given
from hypothesis import strategies as st

from bot.markdown import CUT, cut, escape, unescape


def test_a_text_is_shown_as_it_is_and_pings_nobody() -> None:
    assert escape("*a* @everyone <@1> [x](y) ~~_`|#") == r"\*a\* \@everyone \<\@1\> \[x\]\(y\) \~\~\_\`\|\#"


@given(st.text())
def test_what_is_shown_is_read_back(text: str) -> None:
    assert unescape(escape(text)) == text


@given(st.text(alphabet="a\\*"), st.integers(len(CUT), 20))
def test_what_is_cut_fits_says_so_and_escapes_nothing_of_the_cut(text: str, most: int) -> None:
    shown = cut(escape(text), most)
    assert len(shown) <= most
    assert shown.endswith(CUT) == (len(escape(text)) > most)
    assert text.startswith(unescape(shown.removesuffix(CUT)))
