"""Which loss? The list, the form and the expression in the tab Train, and the formulas as rich text."""

import pytest
from engine_for_tests import use_engine, wait_until
from training_phantoms import add_case


@pytest.fixture
def panel(module, monkeypatch, tmp_path):
    from slicer_harness import close_widget, create_widget

    use_engine(monkeypatch, tmp_path / "study")
    monkeypatch.setattr("SlicerLossSegLib.header_panel.HeaderPanel.ask_machine", lambda self: None)
    widget = create_widget(module[0])
    widget.panel.logic = widget.logic
    widget.panel.ui.tabs.setCurrentIndex(2)
    yield widget.panel
    close_widget(widget)


def test_every_loss_is_listed_once_under_its_family(panel):
    from lossseg.losses import CATALOGUE

    tree = panel.train.ui.lossTree
    heads = [tree.topLevelItem(place) for place in range(tree.topLevelItemCount)]
    listed = [head.child(place).text(1) for head in heads for place in range(head.childCount())]
    assert sorted(listed) == sorted(CATALOGUE)
    assert all(head.childCount() > 0 for head in heads)


def test_a_loss_is_described_and_taken(panel):
    ui, loss = panel.train.ui, panel.train.loss
    assert not ui.lossUseButton.enabled
    assert "Select a loss" in ui.lossUseButton.toolTip
    loss.select("tversky")
    assert "beta above alpha" in ui.lossTitleLabel.text
    assert "\N{GREEK SMALL LETTER ALPHA} FP + β FN" in ui.lossFormulaLabel.text
    assert "mean<sub>c</sub>" in ui.lossFormulaLabel.text
    ui.lossUseButton.click()
    assert loss.expression == "tversky"
    loss.select("ce")
    ui.lossAddButton.click()
    assert loss.expression == "tversky + ce"
    loss.select("iw")
    assert ui.lossUseButton.text == "Put around"
    ui.lossUseButton.click()
    assert loss.expression == "iw(tversky + ce)"
    loss.select("softadapt")
    ui.lossUseButton.click()
    assert loss.expression == "softadapt(iw(tversky + ce), dice)"
    loss.select("dice_topk")
    ui.lossUseButton.click()
    assert loss.expression == "dice + topk(k=0.1)"


def test_form_and_expression_keep_in_step(panel):
    ui, loss = panel.train.ui, panel.train.loss
    form = loss.form

    # From the expression to the form: factors, numbers, flags, choices, what is learned, and terms inside others.
    ui.expressionEdit.setText("0.5*dice(squared=True) + iw(focal(gamma=3))")
    assert form.control((0,), "").value == 0.5
    assert form.control((0,), "squared").checked
    assert form.control((0,), "smooth").value == 1e-5
    assert form.control((1, 0, 0), "gamma").value == 3.0
    assert not form.control((1,), "volume").checked

    # From the form to the expression. What is at its default is not written.
    form.control((0,), "").value = 0.25
    form.control((0,), "squared").checked = False
    form.control((1, 0, 0), "gamma").value = 2.5
    form.control((1,), "volume").checked = True
    assert loss.expression == "0.25*dice + iw(focal(gamma=2.5), volume=True)"
    assert loss.problem == ""
    form.control((0,), "").value = 1.0
    assert loss.expression == "dice + iw(focal(gamma=2.5), volume=True)"

    # Controls stay while the same terms stand in the expression, and what is typed keeps its way of writing.
    box = form.control((1, 0, 0), "gamma")
    ui.expressionEdit.setText("dice  +  iw( focal(gamma=4) )")
    assert form.control((1, 0, 0), "gamma") is box
    assert box.value == 4.0
    assert loss.expression == "dice  +  iw( focal(gamma=4) )"

    # Choices, and values that training finds.
    ui.expressionEdit.setText("gdice + tversky(alpha=learn, beta=learn)")
    weight = form.control((0,), "weight")
    weight.setCurrentIndex(2)
    assert loss.expression == "gdice(weight=uniform) + tversky(alpha=learn, beta=learn)"
    assert not form.control((1,), "alpha").enabled
    learned = form._controls[(1,), "alpha"]._learn
    learned.checked = False
    assert loss.expression.startswith("gdice(weight=uniform) + tversky(")
    assert "alpha=learn" not in loss.expression
    assert form.control((1,), "alpha").enabled

    # The range of a parameter is that of its control.
    ui.expressionEdit.setText("topk(k=0.1)")
    k = form.control((0,), "k")
    assert (k.minimum, k.maximum) == (0.001, 1.0)
    assert "0" in k.toolTip
    k.value = 7.0
    assert loss.expression == "topk(k=1)"


def test_small_numbers_keep_all_their_digits(panel):
    ui, loss = panel.train.ui, panel.train.loss
    ui.expressionEdit.setText("dice(smooth=1e-07)")
    assert loss.form.control((0,), "smooth").value == 1e-7
    loss.form.control((0,), "batch").checked = True
    assert loss.expression == "dice(batch=True, smooth=1e-07)"


def test_a_found_loss_is_kept_by_name_or_lies_in_a_file(panel):
    loss = panel.train.loss
    loss.set_expression("dice + glo(tree='found/loss tree.json')")
    box = loss.form.control((1,), "tree")
    assert box.currentText == "found/loss tree.json"
    box.setCurrentIndex(1)
    assert loss.expression == "dice + glo(tree=cross_entropy)"
    box.setCurrentIndex(2)
    assert loss.expression == "dice + glo(tree='found/loss tree.json')"
    box.setCurrentIndex(0)
    assert loss.expression == "dice + glo"
    assert not loss.problem


def test_an_error_is_told_beside_the_expression_and_train_says_it_too(panel):
    ui, loss = panel.train.ui, panel.train.loss
    add_case(panel.logic, "a", 1, dark=False)
    add_case(panel.logic, "b", 2, dark=False)
    panel.train.dataset.refresh()
    wait_until(lambda: panel.train.dataset.view.is_measured, 60)
    assert ui.trainButton.enabled, ui.trainButton.toolTip
    ui.expressionEdit.setText("dyce + ce")
    assert "There is no loss 'dyce'" in ui.expressionError.text
    assert "Did you mean 'dice'?" in ui.expressionError.text
    assert not loss.form.enabled
    assert not ui.trainButton.enabled
    assert "There is no loss 'dyce'" in ui.trainButton.toolTip
    ui.expressionEdit.setText("dice + ce")
    assert ui.expressionError.text == ""
    assert loss.form.enabled
    assert ui.trainButton.enabled

    # The advisor's word, from the data.
    assert panel.train.dataset.view.suggestion.expression in ui.adviceLabel.text
    assert "because" in ui.adviceLabel.text
    ui.expressionEdit.setText("ce")
    ui.adviceButton.click()
    assert loss.expression == panel.train.dataset.view.suggestion.expression
    assert not ui.adviceButton.enabled


def test_a_term_is_taken_out(panel):
    import qt

    ui, loss = panel.train.ui, panel.train.loss
    ui.expressionEdit.setText("dice + iw(bce + dice) + ce")
    buttons = [button for button in loss.form._page.findChildren(qt.QToolButton) if button.enabled]
    # dice, iw, the two inside it, ce
    assert len(buttons) == 5
    buttons[2].click()
    assert loss.expression == "dice + iw(dice) + ce"


def test_the_loss_is_kept_in_the_scene(panel):
    ui = panel.train.ui
    ui.expressionEdit.setText("dice + topk(k=0.2)")
    assert panel.logic.getParameterNode().loss == "dice + topk(k=0.2)"
    panel.connect_scene(None)
    ui.expressionEdit.setText("ce")
    panel.connect_scene(panel.logic.getParameterNode())
    assert panel.train.loss.expression == "dice + topk(k=0.2)"
    assert panel.train.loss.form.control((1,), "k").value == 0.2


@pytest.mark.parametrize(
    ("plain", "rich"),
    [
        ("-mean_i log p_i", "−mean<sub>i</sub> log p<sub>i</sub>"),
        ("1 - S(p y) / S_c w_c", "1 − Σ(p y) / Σ<sub>c</sub> w<sub>c</sub>"),
        ("(1 - p)^gamma_ce", "(1 − p)<sup>\N{GREEK SMALL LETTER GAMMA}<sub>ce</sub></sup>"),
        ("a < b, one_sided: x", "a &lt; b, one_sided: x"),
        ("focal(gamma=2)", "focal(gamma=2)"),
    ],
)
def test_formulas_as_rich_text(plain, rich):
    from SlicerLossSegLib import formula

    assert formula.rich(plain) == rich
