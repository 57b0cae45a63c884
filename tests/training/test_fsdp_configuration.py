from __future__ import annotations

from pathlib import Path

import transformers
from accelerate.commands.config.config_args import load_config_from_file
from accelerate.utils import DistributedType

CONFIGURATION = Path(__file__).resolve().parents[2] / "docs" / "fsdp.yaml"


def test_accelerate_reads_the_configuration() -> None:
    found = load_config_from_file(str(CONFIGURATION))
    assert found.distributed_type == DistributedType.FSDP
    assert found.fsdp_config["fsdp_version"] == 2


def test_the_layers_it_names_exist() -> None:
    names = load_config_from_file(str(CONFIGURATION)).fsdp_config["fsdp_transformer_layer_cls_to_wrap"].split(",")
    assert names == ["BertLayer", "ViTLayer"]
    assert hasattr(transformers.models.bert.modeling_bert, names[0])
    assert hasattr(transformers.models.vit.modeling_vit, names[1])
