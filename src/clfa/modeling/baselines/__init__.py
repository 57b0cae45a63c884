"""Registry of baselines, which replace projections and fusion. A new one is one new file and one line here."""

from clfa.registry import Registry

BASELINES = Registry(
    "baseline",
    {
        "pooled_concat": "clfa.modeling.baselines.pooled_concat:PooledConcat",
        "text_cnn": "clfa.modeling.baselines.text_cnn:TextCNN",
        "bi_lstm": "clfa.modeling.baselines.bi_lstm:BiLSTM",
        "text_transformer": "clfa.modeling.baselines.text_transformer:TextTransformer",
        "image_pooled": "clfa.modeling.baselines.image_pooled:ImagePooled",
        "image_transformer": "clfa.modeling.baselines.image_transformer:ImageTransformer",
        "multi_sentinet": "clfa.modeling.baselines.multi_sentinet:MultiSentiNet",
        "co_memory": "clfa.modeling.baselines.co_memory:CoMemory",
        "clmlf": "clfa.modeling.baselines.clmlf:CLMLF",
        "dual_encoder": "clfa.modeling.baselines.dual_encoder:DualEncoder",
        "res_bert": "clfa.modeling.baselines.res_bert:ResBert",
        "hfm": "clfa.modeling.baselines.hfm:HFM",
        "dr_net": "clfa.modeling.baselines.dr_net:DRNet",
        "att_bert": "clfa.modeling.baselines.att_bert:AttBert",
        "cmgcn": "clfa.modeling.baselines.cmgcn:CMGCN",
        "hke": "clfa.modeling.baselines.hke:HKE",
        "dip": "clfa.modeling.baselines.dip:DIP",
        "multiview_clip": "clfa.modeling.baselines.multiview_clip:MultiViewCLIP",
        "interclip_mep": "clfa.modeling.baselines.interclip_mep:InterCLIPMEP",
    },
    base="clfa.modeling.baselines.base:Baseline",
)

__all__ = ["BASELINES"]
