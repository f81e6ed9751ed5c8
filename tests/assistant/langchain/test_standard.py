"""LangChain's own tests of chat models, against a real orchestrator around a scripted model.

What they skip by themselves: images from the internet, PDF and audio, Anthropic's own content,
JSON mode and recorded requests, none of which this model has; serialization, since an assistant
is no value; the environment, since settings are the assistant's; and another model by call.
"""

from typing import Any

import pytest
from langchain_core.language_models import BaseChatModel
from langchain_tests.integration_tests import ChatModelIntegrationTests
from langchain_tests.unit_tests import ChatModelUnitTests

from assistant.langchain.chat_model import ChatCorral
from assistant.langchain.residence import Residence
from tests.assistant.bench import Bench


class Corral:
    """What both suites are told about the model."""

    @pytest.fixture(autouse=True)
    def _lodge(self, lodging: tuple[Bench, Residence]) -> None:
        self.bench, self.residence = lodging

    @property
    def chat_model_class(self) -> type[BaseChatModel]:
        return ChatCorral

    @property
    def chat_model_params(self) -> dict[str, Any]:
        return {"orchestrator": self.bench.orchestrator, "residence": self.residence}

    @property
    def supports_model_override(self) -> bool:
        return False


class TestUnit(Corral, ChatModelUnitTests):
    @property
    def standard_chat_model_params(self) -> dict[str, Any]:
        # An assistant has its own deadline and its own retries, and no key: fields that would do
        # nothing are refused.
        absent = {"timeout", "max_retries", "api_key"}
        params = super().standard_chat_model_params
        return {name: value for name, value in params.items() if name not in absent}


class TestIntegration(Corral, ChatModelIntegrationTests):
    pass
