"""Models to compare with, in the place of projections and fusion. A new one is one new file and one line here."""

from clfa.registry import Registry

BASELINES = Registry(
    "baseline",
    {
        "pooled_concat": "clfa.baselines.pooled_concat:PooledConcat",
        "text_cnn": "clfa.baselines.text_cnn:TextCNN",
        "bi_lstm": "clfa.baselines.bi_lstm:BiLSTM",
        "text_transformer": "clfa.baselines.text_transformer:TextTransformer",
        "image_pooled": "clfa.baselines.image_pooled:ImagePooled",
        "image_transformer": "clfa.baselines.image_transformer:ImageTransformer",
        "multi_sentinet": "clfa.baselines.multi_sentinet:MultiSentiNet",
        "co_memory": "clfa.baselines.co_memory:CoMemory",
        "clmlf": "clfa.baselines.clmlf:CLMLF",
        "dual_encoder": "clfa.baselines.dual_encoder:DualEncoder",
        "res_bert": "clfa.baselines.res_bert:ResBert",
        "hfm": "clfa.baselines.hfm:HFM",
        "dr_net": "clfa.baselines.dr_net:DRNet",
        "att_bert": "clfa.baselines.att_bert:AttBert",
        "cmgcn": "clfa.baselines.cmgcn:CMGCN",
        "hke": "clfa.baselines.hke:HKE",
        "dip": "clfa.baselines.dip:DIP",
        "multiview_clip": "clfa.baselines.multiview_clip:MultiViewCLIP",
        "interclip_mep": "clfa.baselines.interclip_mep:InterCLIPMEP",
    },
)

__all__ = ["BASELINES"]
