"""Attachments of the Allure report. Nothing happens where no Allure formatter listens."""

from __future__ import annotations

import allure_commons
from allure_behave.listener import AllureListener
from allure_commons.types import AttachmentType

from support.printable import as_json


def attach_text(name: str, text: str) -> None:
    """Attach plain text to the current step or scenario; outside of one to the run as a whole."""
    _attach(name, text, AttachmentType.TEXT)


def attach_json(name: str, value: object) -> None:
    """Attach a value as indented JSON; what JSON does not know is shown as text."""
    _attach(name, as_json(value, indent=2), AttachmentType.JSON)


def attach_svg(name: str, svg: str) -> None:
    """Attach a drawing."""
    _attach(name, svg, AttachmentType.SVG)


def _attach(name: str, body: str, kind: AttachmentType) -> None:
    hooks = allure_commons.plugin_manager.hook
    for listener in allure_commons.plugin_manager.get_plugins():
        if isinstance(listener, AllureListener):
            attach = hooks.attach_data if listener.current_scenario_uuid else hooks.global_attach_data
            attach(body=body, name=name, attachment_type=kind, extension=None)
