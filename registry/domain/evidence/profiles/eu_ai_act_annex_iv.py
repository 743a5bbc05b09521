"""The technical documentation of the EU AI Act, Annex IV."""

from __future__ import annotations

from registry.domain.evidence.kinds import CONTROLS, DATA, ORIGIN, TESTS, FactKind
from registry.domain.evidence.profiles.clause import Profile, ProfileClause

PROFILE = Profile(
    name="eu-ai-act-annex-iv",
    title="EU AI Act, Annex IV: technical documentation",
    edition="Regulation (EU) 2024/1689 of 13 June 2024, Official Journal L of 12 July 2024, Annex IV, points 1 to 9",
    scope="Annex IV describes a high-risk AI system. The registry records a model, which is a part of such a system.",
    uncertain=(
        "Amendments were not examined. The Digital Omnibus on AI of 2026 moves dates of application. "
        "Compare with the consolidated text."
    ),
    clauses=(
        ProfileClause(
            "1(a)",
            "Intended purpose, provider, and version in relation to earlier versions",
            (FactKind.MODEL, FactKind.DESCRIPTION, FactKind.TAG, FactKind.VERSION, FactKind.PARENT),
            "The intended purpose as the provider declares it, and the name of the provider.",
        ),
        ProfileClause(
            "1(b)",
            "Interaction with hardware, software and other AI systems",
            (FactKind.SIGNATURE,),
            "The systems around the model, and their interfaces.",
        ),
        ProfileClause(
            "1(c)",
            "Versions of relevant software or firmware, and requirements for updates",
            (FactKind.FRAMEWORK, FactKind.ENVIRONMENT),
            "The software of the whole system and its update requirements.",
        ),
        ProfileClause(
            "1(d)",
            "Forms in which the system is placed on the market or put into service",
            missing="How the system is delivered: embedded, as a download or as an API.",
        ),
        ProfileClause("1(e)", "Hardware that the system is intended to run on", missing="Its description."),
        ProfileClause(
            "1(f)",
            "For components of products: illustrations, marking and internal layout",
            missing="Photographs or illustrations, where the system is a component of a product.",
        ),
        ProfileClause("1(g)", "User interface provided to the deployer", missing="A description of it."),
        ProfileClause("1(h)", "Instructions for use for the deployer", missing="The instructions for use."),
        ProfileClause(
            "2(a)",
            "Methods and steps of the development, and use of pre-trained systems or tools of third parties",
            (*ORIGIN, FactKind.FRAMEWORK, FactKind.ENVIRONMENT, FactKind.PARAMETER),
            "The methods in words, and the terms under which tools of third parties were used.",
        ),
        ProfileClause(
            "2(b)",
            "Design specifications: general logic, key design choices, assumptions and trade-offs",
            (FactKind.DESCRIPTION, FactKind.SIGNATURE, FactKind.PARAMETER),
            "The logic, the rationale of design choices, what the system optimises for, and the trade-offs.",
        ),
        ProfileClause(
            "2(c)",
            "System architecture, and computational resources for development, training, testing and validation",
            (FactKind.RUN, FactKind.ENVIRONMENT),
            "The architecture of the system, and the computational resources that were used.",
        ),
        ProfileClause(
            "2(d)",
            "Data requirements: training data, provenance, scope, selection, labelling and cleaning",
            DATA,
            "Data sheets: scope, main characteristics, selection, labelling and cleaning of each data set.",
        ),
        ProfileClause(
            "2(e)",
            "Assessment of the human oversight measures (Article 14)",
            missing="The assessment of oversight measures, and the means to interpret outputs.",
        ),
        ProfileClause(
            "2(f)",
            "Pre-determined changes to the system and its performance",
            missing="The changes that were determined in advance. Changes that were made are under point 6.",
        ),
        ProfileClause(
            "2(g)",
            "Validation and testing: data, metrics, test logs and reports with date and responsible person",
            (FactKind.METRIC, FactKind.EVALUATION_DATA, *TESTS, FactKind.APPROVAL),
            "Test reports that a responsible person signed; measures of robustness and of discriminatory impacts.",
        ),
        ProfileClause(
            "2(h)",
            "Cybersecurity measures",
            (FactKind.FILE, FactKind.LOG),
            "The measures of the system. The registry records the digests of files and the sealing of its log only.",
        ),
        ProfileClause(
            "3",
            "Monitoring, functioning and control: capabilities, limitations, accuracy, risks, oversight, input data",
            (FactKind.METRIC, FactKind.SIGNATURE, FactKind.PRODUCTION, FactKind.HOLD),
            "Limitations, accuracy for specific groups, foreseeable unintended outcomes, and oversight measures.",
        ),
        ProfileClause(
            "4",
            "Appropriateness of the performance metrics",
            (FactKind.METRIC,),
            "Why these metrics are appropriate for the system.",
        ),
        ProfileClause(
            "5",
            "Risk management system (Article 9)",
            (FactKind.POLICY, FactKind.HOLD),
            "Its description. The facts show controls before release, and versions that were recalled.",
        ),
        ProfileClause(
            "6",
            "Relevant changes that the provider made through the life cycle",
            (FactKind.VERSION, FactKind.DECISION, FactKind.CHANGE, *CONTROLS, FactKind.HOLD, FactKind.REDACTION),
            "Changes outside of this model: in other components, in the product, in procedures.",
        ),
        ProfileClause(
            "7",
            "Harmonised standards applied, or other solutions",
            missing="The list of standards applied, or the solutions that meet the requirements.",
        ),
        ProfileClause("8", "EU declaration of conformity (Article 47)", missing="A copy of the declaration."),
        ProfileClause(
            "9",
            "Evaluation of performance after placing on the market (Article 72), with the monitoring plan",
            (FactKind.PRODUCTION, FactKind.METRIC, FactKind.HOLD),
            "The post-market monitoring system and its plan. Metrics here are those that were recorded with a version.",
        ),
    ),
)
