from __future__ import annotations

import typing

import pytest

from registry.api.schemas import (
    aliases,
    audit,
    comparison,
    downloads,
    imports,
    lineage,
    models,
    overview,
    refusals,
    stages,
    tokens,
    uploads,
    versions,
)
from registry.client import types

PAIRS = [
    (types.ModelView, models.ModelView),
    (types.VersionView, versions.VersionView),
    (types.RegisteredView, versions.RegisteredView),
    (types.FileView, versions.FileView),
    (types.MetricView, versions.MetricView),
    (types.EvaluationView, versions.EvaluationView),
    (types.Evaluation, versions.EvaluationBody),
    (types.LineageView, lineage.LineageView),
    (types.VersionLineageView, lineage.VersionLineageView),
    (types.Run, lineage.RunView),
    (types.Code, lineage.CodeView),
    (types.Environment, lineage.EnvironmentView),
    (types.Dataset, lineage.DatasetView),
    (types.Parent, lineage.ParentView),
    (types.MovedView, stages.MovedView),
    (types.HolderView, stages.HolderView),
    (types.StagesView, stages.StagesView),
    (types.TenureView, stages.TenureView),
    (types.OptionRefusal, stages.OptionRefusalView),
    (types.OptionMove, stages.OptionMoveView),
    (types.StageOption, stages.StageOptionView),
    (types.StageOptionsView, stages.StageOptionsView),
    (types.WayBack, stages.WayBackView),
    (types.WaysBackView, stages.WaysBackView),
    (types.ServingView, overview.ServingView),
    (types.ConcernView, overview.ConcernView),
    (types.AttentionView, overview.AttentionView),
    (types.AliasView, aliases.AliasView),
    (types.ProtectionView, aliases.ProtectionView),
    (types.UploadView, uploads.UploadView),
    (types.Target, uploads.TargetView),
    (types.PartView, uploads.SignedPartView),
    (types.PartsView, uploads.ArrivedView),
    (types.ImportView, imports.ImportView),
    (types.EntryView, audit.AuditEntryView),
    (types.RefusalView, refusals.RefusalView),
    (types.DownloadCountView, downloads.DownloadView),
    (types.RefusedActor, refusals.RefusedActorView),
    (types.ChangesView, audit.AuditPage),
    (types.EntryActor, audit.ActorView),
    (types.HeadView, audit.HeadView),
    (types.ModelVerificationView, audit.ModelVerificationView),
    (types.VerifiedChainView, audit.VerifiedChainView),
    (types.ChainEntryView, audit.ChainEntryView),
    (types.ChainText, audit.ChainTextView),
    (types.TokenView, tokens.TokenView),
    (types.SessionView, tokens.SessionView),
    (types.ClosedSessionsView, tokens.ClosedSessionsView),
    (types.CreatedTokenView, tokens.IssuedView),
    (types.UsedToken, tokens.CredentialView),
    (types.MeView, tokens.MeView),
    (types.ComparisonView, comparison.ComparisonView),
    (types.ComparedVersionView, comparison.ComparedVersionView),
    (types.SectionView, comparison.SectionView),
    (types.ComparisonRowView, comparison.ComparisonRowView),
    (types.CellView, comparison.CellView),
    (types.DeltaView, comparison.DeltaView),
    (types.MeasuredVersionView, comparison.MeasuredVersionView),
    (types.MetricPointView, comparison.MetricPointView),
]


@pytest.mark.parametrize(("client", "server"), PAIRS, ids=[pair[0].__name__ for pair in PAIRS])
def test_the_client_has_every_field_that_the_server_sends(client: type, server: typing.Any) -> None:
    assert set(typing.get_type_hints(client)) == set(server._declared_fields)
