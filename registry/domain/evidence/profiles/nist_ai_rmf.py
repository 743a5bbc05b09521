"""The categories of the NIST AI Risk Management Framework."""

from __future__ import annotations

from registry.domain.evidence.kinds import CONTROLS, DATA, FOUR_EYES, ORIGIN, RECORDS, TESTS, FactKind
from registry.domain.evidence.profiles.clause import Profile, ProfileClause

PROFILE = Profile(
    name="nist-ai-rmf",
    title="NIST AI Risk Management Framework: categories of the core",
    edition="NIST AI 100-1, AI RMF 1.0, January 2023, the categories of GOVERN, MAP, MEASURE and MANAGE",
    scope="The framework concerns the risk management of an organization. Subcategories are not listed.",
    uncertain="Categories were compared with a public copy of the core. Later editions were not examined.",
    clauses=(
        ProfileClause(
            "GOVERN 1",
            "Policies and practices for AI risks are in place and effective",
            (FactKind.MODEL, FactKind.POLICY, FactKind.GATE, *RECORDS),
            "The policies of the organization. The facts show an inventory and controls of the registry in operation.",
        ),
        ProfileClause(
            "GOVERN 2",
            "Accountability: people are empowered, responsible and trained",
            (FactKind.ROLE, FactKind.ACTOR, *FOUR_EYES),
            "Training, and responsibilities outside of the registry.",
        ),
        ProfileClause("GOVERN 3", "Diversity, equity, inclusion and accessibility", missing="The processes."),
        ProfileClause("GOVERN 4", "A culture that considers and communicates risk", missing="The practices."),
        ProfileClause("GOVERN 5", "Engagement with relevant AI actors", missing="The processes of engagement."),
        ProfileClause(
            "GOVERN 6",
            "Third-party software and data, and the supply chain",
            (FactKind.PARENT, FactKind.FRAMEWORK, FactKind.ENVIRONMENT, *DATA),
            "Policies for third parties, their rights, and contingency processes.",
        ),
        ProfileClause(
            "MAP 1",
            "Context is established",
            (FactKind.DESCRIPTION, FactKind.TAG),
            "Purpose, users, setting, laws and risk tolerance, as the organization documents them.",
        ),
        ProfileClause(
            "MAP 2",
            "The AI system is categorized",
            (FactKind.FRAMEWORK, FactKind.SIGNATURE, FactKind.PARAMETER),
            "Tasks, methods, knowledge limits, and human oversight.",
        ),
        ProfileClause(
            "MAP 3",
            "Capabilities, usage, goals, benefits and costs",
            (FactKind.METRIC,),
            "Benefits, costs, scope of application and proficiency of operators.",
        ),
        ProfileClause(
            "MAP 4",
            "Risks and benefits of all components, including those of third parties",
            (FactKind.PARENT, FactKind.CODE, FactKind.ENVIRONMENT, *DATA),
            "The risks of these components, and the controls.",
        ),
        ProfileClause("MAP 5", "Impacts are characterized", missing="Likelihood and magnitude of each impact."),
        ProfileClause(
            "MEASURE 1",
            "Methods and metrics are identified and applied",
            (FactKind.METRIC, *TESTS),
            "Why these metrics were selected, and who assessed them independently.",
        ),
        ProfileClause(
            "MEASURE 2",
            "Evaluation for trustworthy characteristics",
            (FactKind.METRIC, FactKind.EVALUATION_DATA, FactKind.CHECK, *ORIGIN),
            "Evaluation of safety, security, privacy, fairness and explainability where no metric names it.",
        ),
        ProfileClause(
            "MEASURE 3",
            "Risks are tracked over time",
            (FactKind.METRIC, FactKind.PRODUCTION, FactKind.HOLD),
            "The tracking of risks, and feedback of users.",
        ),
        ProfileClause("MEASURE 4", "Feedback about the measurement", missing="The feedback, and how it is assessed."),
        ProfileClause(
            "MANAGE 1",
            "Risks are prioritized and responded to",
            (FactKind.DECISION, *CONTROLS),
            "The risks behind each decision. The reasons here are those that were entered.",
        ),
        ProfileClause(
            "MANAGE 2",
            "Strategies to maximize benefits and to deactivate systems",
            (FactKind.DECISION, FactKind.PRODUCTION, FactKind.HOLD),
            "The strategies. Roll backs and archived versions show that a version can be withdrawn.",
        ),
        ProfileClause(
            "MANAGE 3",
            "Risks from third parties are managed",
            (FactKind.HOLD,),
            "The monitoring of third-party resources. Holds can be on data and base models of others.",
        ),
        ProfileClause(
            "MANAGE 4",
            "Response, recovery and communication are documented and monitored",
            (FactKind.DECISION, FactKind.CHANGE, FactKind.HOLD, FactKind.BREAK_GLASS, FactKind.REDACTION),
            "Monitoring after deployment, and communication of incidents.",
        ),
    ),
)
