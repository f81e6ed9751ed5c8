"""Whether a plugin is as it says, and behaves when the world and the model do not."""

from plugins.conformance.conform import conform
from plugins.conformance.report import Check, Outcome, Report
from plugins.conformance.script import Script, load_script

__all__ = ["Check", "Outcome", "Report", "Script", "conform", "load_script"]
