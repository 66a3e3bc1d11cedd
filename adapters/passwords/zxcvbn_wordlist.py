"""Common passwords and words, from the frequency lists of the zxcvbn package. Nothing else of it is used.

The estimate of the package takes 14 MiB and quadratic time, counts `isa` as three random letters, and rates
`correcthorsebatterystaple` as strong. Ours takes linear time and 4 MiB.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from importlib.util import find_spec, module_from_spec, spec_from_file_location
from pathlib import Path

_PHRASES = """
antidisestablishmentarianism allyourbasearebelongtous callmeishmael correcthorsebatterystable
correcthorsebatterystaple fourscoreandsevenyearsago hakunamatatahakuna heresjohnnyheresjohnny icanhascheezburger
inthebeginningwastheword itwasthebestoftimes iloveyoutothemoonandback loremipsumdolorsitamet livelongandprosper
maytheforcebewithyou neverevergiveup onceuponatimethere ourfatherwhoartinheaven staplebatteryhorsecorrect
supercalifragilistic supercalifragilisticexpialidocious thecakeisaliethecake thequickbrownfoxjumpedoverthelazydog
thequickbrownfoxjumpsoverthelazydog tobeornottobethatisthequestion twinkletwinklelittlestar winteriscomingwinter
"""
"""Well-known phrases that are too long for the frequency lists."""

_LISTS = {
    "passwords": 10_000,
    "english_wikipedia": 10_000,
    "us_tv_and_film": 10_000,
    "surnames": 1_000,
    "male_names": 500,
    "female_names": 500,
}
"""How much of each list counts as common."""

_SHORT_WORDS = "a i am an as at be by do go he if in is it me my no of oh on or so to up us we"
_SHORT = frozenset(_SHORT_WORDS.split())
_LEET = str.maketrans("4@301!$57", "aaeoiisst")
_LONGEST = 16
_YEAR = 2.0


class ZxcvbnWordlist:
    """Loads the lists when constructed (some 40 ms), so that no request waits for that."""

    def __init__(self) -> None:
        lists = load_lists()
        # A frozenset copied from a set takes half the memory: a megabyte.
        self._words = frozenset({*lists["passwords"], *_PHRASES.split()})
        self._costs = _costs(lists)

    def __call__(self, word: str) -> bool:
        return word in self._words

    def __iter__(self) -> Iterator[str]:
        return iter(self._words)

    def guesses(self, text: str, *, enough: float) -> float:
        """The power of ten of the guesses that find the text, which is in lower case; at most `enough`.

        The text is split into common words and single characters in the cheapest way, also with digits for letters.
        """
        plain = self._cheapest(text, enough)
        return min(plain, 0.5 + self._cheapest(text.translate(_LEET), enough))

    def _cheapest(self, text: str, enough: float) -> float:
        costs = self._costs
        best = [0.0]
        for end in range(1, len(text) + 1):
            least = best[-1] + _of_character(text[end - 1])
            for start in range(max(0, end - _LONGEST), end):
                cost = costs.get(text[start:end])
                if cost is not None and best[start] + cost < least:
                    least = best[start] + cost
            best.append(least)
            if min(best[-_LONGEST:]) >= enough:
                return enough
        return best[-1]


def _of_character(char: str) -> float:
    if char.isdecimal():
        return 1.0
    if char.isascii():
        return 1.4 if char.isalpha() else 1.2
    return 2.0


def _costs(lists: Mapping[str, Sequence[str]]) -> dict[str, float]:
    ranks: dict[str, int] = {}
    for name, most in _LISTS.items():
        for rank, word in enumerate(lists[name][:most], 1):
            if _is_word(word, rank):
                ranks[word] = min(ranks.get(word, rank), rank)
    # Rounded, so that words share the numbers.
    shared = {cost / 10: cost / 10 for cost in range(50)}
    costs = {word: shared[round(math.log10(max(rank, 2)), 1)] for word, rank in ranks.items()}
    return costs | {str(year): _YEAR for year in range(1930, 2040)}


def _is_word(word: str, rank: int) -> bool:
    """Short random sequences can match a rare word or a common PIN."""
    if not word.isascii() or len(word) > _LONGEST:
        return False
    if word.isdigit():
        return len(word) >= 3 and rank <= 1_000
    return word in _SHORT or len(word) > 3 or (len(word) == 3 and rank <= 2_000)


def load_lists() -> Mapping[str, Sequence[str]]:
    package = find_spec("zxcvbn")
    if package is None or package.origin is None:
        raise ImportError("zxcvbn is not installed")
    # Importing the package would rank and keep all its lists: three times the memory and the time.
    # So its data file is run alone, under no name, and forgotten.
    spec = spec_from_file_location("_lists", Path(package.origin).with_name("frequency_lists.py"))
    if spec is None or spec.loader is None:
        raise ImportError("zxcvbn has no frequency lists")
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    lists: Mapping[str, Sequence[str]] = module.FREQUENCY_LISTS
    return lists
