"""The expression language: normal form, and a sentence for everything that is no expression."""

from __future__ import annotations

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lossseg.errors import InputError
from lossseg.losses import CATALOGUE, build, normal_form, parse
from lossseg.losses.catalogue import Entry, Family, Kind, Parameter
from lossseg.losses.tree import Part, Sum, Term
from lossseg.weights import MAPS


@pytest.mark.parametrize(
    ("written", "normal"),
    [
        ("dice+ce", "dice + ce"),
        (" dice \n + topk( k = .1 ) ", "dice + topk(k=0.1)"),
        ("0.5*dice + 0.5*iw(bce)", "0.5*dice + 0.5*iw(bce)"),
        ("dice*2", "2*dice"),
        ("2*(dice + 0.25*ce)", "2*dice + 0.5*ce"),
        ("2*3*(dice)", "6*dice"),
        ("dice() + (ce + bce)", "dice + ce + bce"),
        ("1.0*dice", "dice"),
        ("tversky(beta=1, alpha=0)", "tversky(alpha=0, beta=1)"),
        ("dice(batch=True, squared=False)", "dice(squared=False, batch=True)"),
        ("iw(focal(gamma=2, alpha=0.75))", "iw(focal(gamma=2, alpha=0.75))"),
        ("iw(dice+0.1*ce)", "iw(dice + 0.1*ce)"),
        ("dice_ce", "dice + ce"),
        ("0.5*dice_topk", "0.5*dice + 0.5*topk(k=0.1)"),
        ("1e-7*dice", "1e-07*dice"),
        ("tversky(beta=learn, alpha = learn)", "tversky(alpha=learn, beta=learn)"),
        ("softadapt(dice, ce+bce, every=10, variant=plain)", "softadapt(dice, ce + bce, variant=plain, every=10)"),
        ("glo(tree='baikal')", "glo(tree=baikal)"),
    ],
)
def test_normal_form(written: str, normal: str) -> None:
    assert normal_form(written) == normal
    assert normal_form(normal) == normal
    assert parse(written) == parse(normal)
    assert build(written).expression == normal


def _values(parameter: Parameter) -> st.SearchStrategy[float | bool | str]:
    if parameter.kind is Kind.FLAG:
        return st.booleans()
    if parameter.kind is Kind.CHOICE:
        return st.sampled_from(parameter.choices)
    if parameter.kind is Kind.FILE:
        return st.sampled_from((*parameter.choices, "found/my loss.json", "C:/ü/x.json"))
    low, high = max(parameter.low, -1e9), min(parameter.high, 1e9)
    if parameter.whole:
        return st.integers(int(low), int(high)).map(float)
    return st.floats(low, high, exclude_min=parameter.low_open, exclude_max=parameter.high_open)


@st.composite
def trees(draw: st.DrawFn) -> Sum:
    names = [name for name, entry in CATALOGUE.items() if not entry.stands_for]
    parts = []
    for _ in range(draw(st.integers(1, 3))):
        entry = CATALOGUE[draw(st.sampled_from(names))]
        given_ = tuple((p.name, draw(_values(p))) for p in entry.parameters if draw(st.booleans()))
        inside = tuple(draw(voxel_sums()) for _ in range(entry.inside[0]))
        factor = draw(st.floats(1e-6, 1e6))
        parts.append(Part(factor, Term(entry.name, given_, inside)))
    return Sum(tuple(parts))


@st.composite
def voxel_sums(draw: st.DrawFn) -> Sum:
    names = [name for name, entry in CATALOGUE.items() if entry.voxel_sum]
    factors = draw(st.lists(st.floats(1e-6, 1e6), min_size=1, max_size=2))
    return Sum(tuple(Part(factor, Term(draw(st.sampled_from(names)))) for factor in factors))


@settings(deadline=None, derandomize=True, max_examples=80)
@given(trees())
def test_text_of_a_tree_is_read_back_as_the_tree(tree: Sum) -> None:
    assert parse(str(tree)) == tree


@settings(deadline=None, derandomize=True, max_examples=150)
@given(st.text(alphabet="dicetopkw()+*-/=.,01 9_'\"#[]{}:@!%&|<>~^\\\n\0é", max_size=40))
def test_any_text_gives_a_tree_or_an_input_error(text: str) -> None:
    try:
        parse(text)
    except InputError as error:
        assert error.message and error.hint


@pytest.mark.parametrize(
    ("expression", "sentence"),
    [
        ("dics + ce", "There is no loss 'dics' (in 'dics + ce'). Did you mean 'dice'? `lossseg losses` lists all."),
        ("Dice", "There is no loss 'Dice' (in 'Dice'). Did you mean 'dice'?"),
        ("tverski", "Did you mean 'tversky'?"),
        ("topk(q=0.1)", "topk has no parameter 'q'. Known: k."),
        ("dice(square=True)", "dice has no parameter 'square'. Did you mean 'squared'? Known: batch, smooth, squared."),
        ("ce(k=1)", "ce has no parameter 'k'. ce takes no parameters."),
        ("topk(k=2)", "topk: k=2 is not allowed. k is a finite number above 0 and at most 1."),
        ("topk(k=0)", "topk: k=0 is not allowed."),
        ("topk(k=True)", "topk: k=True is not allowed."),
        ("topk(k=1e999)", "topk: k=inf is not allowed."),
        (
            "tversky(alpha=-0.1)",
            "tversky: alpha=-0.1 is not allowed. alpha is a finite number at least 0 and at most 1, or learn.",
        ),
        ("topk(k=learn)", "topk: k=learn is not allowed. k is a finite number above 0 and at most 1."),
        ("tversky(alpha=lern)", "tversky: alpha=lern is not allowed. Did you mean 'learn'? alpha is"),
        ("softadapt(ce, dice, variant=plane)", "Did you mean 'plain'? variant is one of plain, weighted, normalized."),
        ("softadapt(ce, dice, history=2.5)", "history=2.5 is not allowed. history is a whole number at least 2 and"),
        ("cov(ce)", "cov takes at least 2 losses in its parentheses, not 1"),
        ("dice(squared=1)", "dice: squared=1 is not allowed. squared is True or False."),
        ("dice(squared='yes')", "dice: squared='yes' is not allowed."),
        (
            "glo(tree=baikl)",
            "glo: tree=baikl is not allowed. Did you mean 'baikal'? tree is baikal, cross_entropy, or the",
        ),
        ("glo(tree=3)", "glo: tree=3 is not allowed."),
        (
            "ml3(net='net.pkl')",
            "ml3: net=net.pkl is not allowed. net is phantoms, or the path of a .json file in quotes",
        ),
        ("ml3(net='a\\b.json')", "it contains '\\'. Write / in the path of a file."),
        ("glo('x.json')", "glo: the value 'x.json' has no name. Give a parameter by its name, as glo(tree=...)"),
        ("topk(k=0.1, k=0.2)", "topk: parameter 'k' is given twice."),
        ("topk(0.1)", "topk: the value 0.1 has no name. Give a parameter by its name, as topk(k=...)."),
        ("ce(0.1)", "ce: the value 0.1 has no name. Write ce."),
        ("dice(ce)", "dice takes no loss in its parentheses, not 1"),
        (
            "iw()",
            "iw takes 1 loss(es) in its parentheses, not 0 (in 'iw()'). Write iw(loss, volume=False, clip=False).",
        ),
        ("iw", "iw takes 1 loss(es)"),
        ("iw(dice, ce)", "iw takes 1 loss(es) in its parentheses, not 2"),
        ("iw(topk)", "iw cannot be put around topk, whose voxels take no weights. It works around asl, bce, ce, dice"),
        ("iw(dice_topk)", "iw cannot be put around topk"),
        ("iw(iw(dice))", "iw cannot be put around iw"),
        ("dice_ce(squared=True)", "dice_ce takes nothing in parentheses. It stands for dice + ce."),
        ("-0.5*dice", "The factor -0.5 in '-0.5*dice' is not allowed. A factor is a finite number above 0."),
        ("0*dice", "The factor 0 in '0*dice' is not allowed."),
        ("1e999*dice", "The factor inf in"),
        ("1e-300*(1e-300*dice)", "is not allowed. A factor is a finite number above 0."),
        ("dice - ce", "in 'dice - ce' losses are joined by something other than + and a positive factor"),
        ("dice**2", "in 'dice**2' losses are joined by something other"),
        ("-dice", "in '-dice' losses are joined by something other"),
        ("dice/2", "in 'dice/2' losses are joined"),
        ("dice*ce", "'dice*ce' multiplies no number with a loss"),
        ("0.5 + dice", "the number 0.5 stands without a loss"),
        ("2*3", "multiplies no number with a loss"),
        ("dice.backward", "'dice.backward' is no loss"),
        ("().__class__", "'().__class__' is no loss"),
        ("__import__('os')", "There is no loss '__import__'"),
        ("dice(**{})", "dice: '**' is not allowed"),
        ("iw(*dice)", "iw: the value *dice has no name"),
        ("[dice]", "'[dice]' is no loss"),
        ("dice if ce else bce", "is no loss"),
        ("dice + ", "'dice +' is no loss expression"),
        ("dice ce", "is no loss expression: it cannot be read at"),
        ("dice # + ce", "it contains '#'"),
        ("", "The loss expression is empty or no text ('')."),
        (3, "The loss expression is empty or no text (3)."),
        ("dice+" * 400 + "ce", "The loss expression has 2002 characters. At most 1000 are allowed."),
        ("iw(" * 20 + "ce" + ")" * 20, "it is nested more than 8 deep"),
        ("-" * 900 + "dice", "is no loss expression"),
        ("(" * 400 + "dice" + ")" * 400, "it cannot be read"),
        ("dice" + "*2" * 300, "it is nested more than 8 deep"),
        ("1e9*" * 200 + "dice", "is not allowed. A factor is a finite number above 0."),
    ],
)
def test_what_is_no_expression_gets_a_sentence(expression: str, sentence: str) -> None:
    with pytest.raises(ValueError, match=re.escape(sentence)) as caught:
        parse(expression)
    assert isinstance(caught.value, InputError)
    assert caught.value.hint


def test_long_sums_are_no_nesting() -> None:
    assert len(parse("+".join(["ce"] * 300)).parts) == 300


def test_parameters_that_cancel_each_other() -> None:
    with pytest.raises(InputError, match="tversky: alpha=0 and beta=0 leave nothing to learn"):
        build("tversky(alpha=0, beta=0)")


@pytest.mark.parametrize("classes", [1, 0, True, 2.0])
def test_classes_count_the_background(classes: int) -> None:
    with pytest.raises(InputError, match=r"cannot be built for .* classes\. Count the background"):
        build("dice", classes=classes)


@pytest.mark.parametrize("entry", CATALOGUE.values(), ids=lambda entry: entry.name)
def test_entries_are_whole(entry: Entry) -> None:
    assert entry.title and entry.formula and entry.reference and entry.advice and isinstance(entry.family, Family)
    assert CATALOGUE[entry.name] is entry
    assert entry.maps <= set(MAPS)
    for parameter in entry.parameters:
        assert parameter.help and parameter.check(entry.name, parameter.default) == parameter.default
    inside = ", ".join(["ce"] * entry.inside[0])
    written = f"{entry.name}({inside})" if inside else entry.name
    assert build(written).expression == (entry.stands_for or written)
    assert build(written).required_maps == entry.maps


def test_signatures_read_as_they_are_written() -> None:
    assert CATALOGUE["dice"].signature == "dice(squared=False, batch=False, smooth=1e-05)"
    assert CATALOGUE["focal"].signature == "focal(gamma=2, alpha=0.75, lr=0.0001)"
    assert CATALOGUE["cov"].signature == "cov(loss, loss, ...)"
    assert CATALOGUE["iw"].signature == "iw(loss, volume=False, clip=False)"
    assert CATALOGUE["ce"].signature == "ce"
