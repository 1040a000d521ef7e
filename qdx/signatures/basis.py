"""Which numbers a signature has, and in which order.

A signature has one number per word over the channels, a log-signature one per Lyndon word. Both are
ordered by length, then alphabetically; the empty word, whose number is always 1, is left out.
Channels count from 0; a time channel is the last one.

Log-signatures are written in the coordinates of Lyndon words (C. Reutenauer, "Free Lie Algebras",
Oxford, 1993): the number of a Lyndon word is that word's coefficient in the
tensor logarithm. The other coefficients follow from these, so nothing is lost.
"""

from __future__ import annotations

import functools
from itertools import product

import numpy as np
from jaxtyping import Int64
from numpy import ndarray as Array

Word = tuple[int, ...]


def words(channels: int, depth: int) -> list[Word]:
    """The words of a signature, in its order."""
    return [w for n in range(1, depth + 1) for w in product(range(channels), repeat=n)]


def lyndon_words(channels: int, depth: int) -> list[Word]:
    """The words of a log-signature, in its order: those smaller than all their rotations.

    J.-P. Duval, "Génération d'une section des classes de conjugaison et arbre des mots de Lyndon de
    longueur bornée", Theoretical Computer Science 60, 1988.
    """
    found: list[Word] = []
    word = [-1]
    while word:
        word[-1] += 1
        found.append(tuple(word))
        word = [word[i % len(word)] for i in range(depth)]
        while word and word[-1] == channels - 1:
            word.pop()
    return sorted(found, key=lambda w: (len(w), w))


@functools.cache
def level_sizes(channels: int, depth: int, *, log: bool = False) -> tuple[int, ...]:
    """How many numbers a signature, or a log-signature, has for each word length from 1."""
    if log:
        lengths = [len(word) for word in lyndon_words(channels, depth)]
        return tuple(lengths.count(n) for n in range(1, depth + 1))
    return tuple(channels**n for n in range(1, depth + 1))


def dimension(channels: int, depth: int, *, log: bool = False) -> int:
    """How many numbers a signature, or a log-signature, has."""
    return sum(level_sizes(channels, depth, log=log))


def place(word: Word, channels: int) -> int:
    """Where a word stands among `words`."""
    before = dimension(channels, len(word) - 1)
    within = 0
    for letter in word:
        within = within * channels + letter
    return before + within


@functools.cache
def lyndon_places(channels: int, depth: int) -> Int64[Array, " L"]:
    """Where the words of a log-signature stand among those of a signature."""
    return np.array([place(w, channels) for w in lyndon_words(channels, depth)], np.int64)
