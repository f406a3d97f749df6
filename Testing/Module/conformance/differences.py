"""Where the harness does not answer like Slicer, and why nobody is misled."""

STRICTER = {
    "int() of an enumeration: PySide6's are no ints": "enum_int enum_int_argument table_flags_int_and",
    "Qt 5 only": "sig_combo_QString sig_spin_string_QString proxy_filter_regexp",
    "a setter takes its own type only": "label_setText_int plaintext_setPlainText_int process_write_stdin_str",
    "int() of an enumeration, or a margin that is a property in Qt 6": "widget_sizePolicy layout_spacing_margins",
    "a filter that Slicer calls in vain": (
        "proxy_filter_override proxy_filter_override_default_parent proxy_invalidate proxy_invalidateFilter "
        "proxy_override_exception virtual_exception"
    ),
    "Slicer answers False, or does nothing, without a word": (
        "sig_connect_signal_to_signal sig_no_parens sig_unknown sig_wrong_args ui_connection_wrong ui_unknown_property"
    ),
    "Slicer never calls it": (
        "sizeHint_override_direct sizeHint_override_with_init virtual_sizeHint table_item_lt_override"
    ),
    "attributes that hide a child or a dynamic property": (
        "widget_child_as_attribute widget_dynamic_property_as_attribute"
    ),
    "field types without a stand-in": "m_pn_optional m_pn_union_and_defaults",
    "no modules but the module under test": "util_getModule util_selectModule util_selectModule_missing",
    "no stand-in, or a plain QWidget in Slicer": (
        "ui_qMRMLPlotView ui_qMRMLTableWidget ui_qMRMLThreeDView ui_qMRMLSliceWidget ui_ctkMessageBox ui_ctkTreeView "
        "ui_ctkTableView ui_ctkConsole ui_ctkFileDialog ui_ctkResizableFrame ui_ctkMenuButton ui_ctkRangeWidget "
        "ui_qMRMLSegmentSelectorWidget code_qMRMLTableWidget code_ctkConsole code_ctkFileDialog code_ctkMenuButton "
        "code_ctkRangeWidget code_qMRMLSegmentSelectorWidget"
    ),
}
"""Reason -> probes that Slicer answers and the harness refuses: what passes here passes there."""

STRICTER_WITH_QT5 = "bytearray_from_str dialog_exec_names"

DIFFERENT = {
    "enum_eq_int": "PySide6's enumerations are no ints: compare with names",
    "enum_str": "as above",
    "process_state_type": "as above",
    "sig_destroyed": "destroyed() does not reach Python here",
    "stringlist_ints": "convert: str(x)",
    "process_not_found": "wording of Qt 5 and Qt 6",
    "qt_names": "names of Qt 5, QtSvg",
    "m_plot_view_only": "no saveAsSVG",
    "m_combo_currentNode_property": "type name of a bound slot",
    "m_util_save_load_segmentation": "unique name",
    "util_mainWindow": "there is no main window here: the module must work without one",
    "util_status": "as above",
}
"""Probe -> why its answer differs: the module must not depend on it."""


def stricter(qt5: bool) -> set[str]:
    """Names of the probes that the harness may refuse."""
    names = {name for group in STRICTER.values() for name in group.split()}
    return names | set(STRICTER_WITH_QT5.split()) if qt5 else names
