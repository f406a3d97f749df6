"""A scripted module as small as can be, written into a folder for a test."""

from pathlib import Path

CODE = """
import slicer
from slicer.ScriptedLoadableModule import *

CALLS = []


class {name}(ScriptedLoadableModule):
    def __init__(self, parent):
        ScriptedLoadableModule.__init__(self, parent)
        self.parent.title = "{title}"
        self.parent.categories = ["Segmentation"]


class {name}Widget(ScriptedLoadableModuleWidget):
    def setup(self):
        ScriptedLoadableModuleWidget.setup(self)
        self.entered_in_setup = self.parent.isEntered
        CALLS.append("setup")
        self.uiWidget = slicer.util.loadUI(self.resourcePath("UI/{name}.ui"))
        self.layout.addWidget(self.uiWidget)
        self.ui = slicer.util.childWidgetVariables(self.uiWidget)
        self.uiWidget.setMRMLScene(slicer.mrmlScene)

    def enter(self):
        CALLS.append("enter")

    def exit(self):
        CALLS.append("exit")

    def cleanup(self):
        CALLS.append("cleanup")


class {name}Test(ScriptedLoadableModuleTest):
    def test_one(self):
        CALLS.append("test_one")
"""

UI = """<?xml version="1.0" encoding="UTF-8"?>
<ui version="4.0">
 <class>{name}</class>
 <widget class="qMRMLWidget" name="{name}">
  <layout class="QVBoxLayout" name="layout">
   <item><widget class="qMRMLNodeComboBox" name="volumeSelector">
     <property name="nodeTypes"><stringlist><string>vtkMRMLScalarVolumeNode</string></stringlist></property>
     <property name="noneEnabled"><bool>true</bool></property>
   </widget></item>
   <item><widget class="ctkCollapsibleButton" name="options">
     <property name="text"><string>Options</string></property>
     <property name="collapsed"><bool>true</bool></property>
     <layout class="QFormLayout" name="form">
      <item row="0" column="0"><widget class="QLabel" name="shown"/></item>
      <item row="1" column="0"><widget class="QLabel" name="hidden"/></item>
     </layout>
   </widget></item>
   <item><widget class="QPushButton" name="applyButton"><property name="text"><string>Apply</string></property>
   </widget></item>
  </layout>
 </widget>
 <customwidgets/>
 <resources/>
 <connections>
  <connection><sender>{name}</sender><signal>mrmlSceneChanged(vtkMRMLScene*)</signal>
   <receiver>volumeSelector</receiver><slot>setMRMLScene(vtkMRMLScene*)</slot></connection>
 </connections>
</ui>
"""


def write_module(folder: Path, name: str, title: str = "A title") -> Path:
    """The module's file; its panel lies in Resources/UI beside it."""
    (folder / "Resources" / "UI").mkdir(parents=True, exist_ok=True)
    (folder / "Resources" / "UI" / f"{name}.ui").write_text(UI.format(name=name), encoding="utf-8")
    path = folder / f"{name}.py"
    path.write_text(CODE.format(name=name, title=title), encoding="utf-8")
    return path
