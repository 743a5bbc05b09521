"""The controls of ISO/IEC 42001, Annex A."""

from __future__ import annotations

from registry.domain.evidence.kinds import CONTROLS, DATA, FOUR_EYES, ORIGIN, RECORDS, TESTS, FactKind
from registry.domain.evidence.profiles.clause import Profile, ProfileClause

PROFILE = Profile(
    name="iso-42001",
    title="ISO/IEC 42001, Annex A: controls",
    edition="ISO/IEC 42001:2023, first edition, December 2023, Annex A, A.2 to A.10",
    scope="The controls concern the management system of an organization. One model is an example of its operation.",
    uncertain=(
        "The standard is not public: numbers and titles were compared with public lists of the controls, not with the "
        "standard itself. Compare with your copy."
    ),
    clauses=(
        ProfileClause("A.2.2", "AI policy", missing="The policy."),
        ProfileClause("A.2.3", "Alignment with other policies", missing="How the policies relate to each other."),
        ProfileClause("A.2.4", "Review of the AI policy", missing="The records of reviews."),
        ProfileClause(
            "A.3.2",
            "Roles and responsibilities",
            (FactKind.ROLE, FactKind.ACTOR, *FOUR_EYES),
            "Responsibilities outside of the registry. Roles here are permissions in the registry.",
        ),
        ProfileClause(
            "A.3.3",
            "Reporting of concerns",
            (FactKind.HOLD,),
            "The process to report concerns. Holds are those that kept a version from use.",
        ),
        ProfileClause(
            "A.4.2",
            "Documentation of resources",
            (FactKind.VERSION, FactKind.FILE, *DATA, FactKind.ENVIRONMENT),
            "Resources that are not recorded with a version.",
        ),
        ProfileClause("A.4.3", "Data resources", DATA, "Categories, retention and intended use of the data."),
        ProfileClause(
            "A.4.4",
            "Tooling resources",
            (FactKind.FRAMEWORK, FactKind.CODE, FactKind.RUN),
            "Tools that no run or version names.",
        ),
        ProfileClause(
            "A.4.5",
            "System and computing resources",
            (FactKind.ENVIRONMENT,),
            "Hardware, capacity and location of computing resources.",
        ),
        ProfileClause("A.4.6", "Human resources", (FactKind.ACTOR,), "Competences of the people involved."),
        ProfileClause("A.5.2", "Process for the assessment of impacts", missing="The process."),
        ProfileClause("A.5.3", "Documentation of impact assessments", missing="The assessments."),
        ProfileClause("A.5.4", "Impact on individuals and groups", missing="The assessment."),
        ProfileClause("A.5.5", "Societal impact", missing="The assessment."),
        ProfileClause("A.6.1.2", "Objectives for responsible development", missing="The objectives."),
        ProfileClause(
            "A.6.1.3",
            "Processes for responsible design and development",
            (FactKind.DECISION, FactKind.POLICY, *FOUR_EYES),
            "The processes. Stage changes here show how one was followed.",
        ),
        ProfileClause(
            "A.6.2.2",
            "Requirements and specification",
            (FactKind.DESCRIPTION, FactKind.SIGNATURE),
            "The requirements that the system was specified by.",
        ),
        ProfileClause(
            "A.6.2.3",
            "Documentation of design and development",
            (*ORIGIN, FactKind.PARAMETER, FactKind.FRAMEWORK),
            "The design in words.",
        ),
        ProfileClause(
            "A.6.2.4",
            "Verification and validation",
            (FactKind.METRIC, FactKind.EVALUATION_DATA, *TESTS),
            "Criteria, plans and reports of verification and validation.",
        ),
        ProfileClause(
            "A.6.2.5",
            "Deployment",
            (FactKind.DECISION, FactKind.PRODUCTION, *CONTROLS),
            "The deployment plan, and where the version runs.",
        ),
        ProfileClause(
            "A.6.2.6",
            "Operation and monitoring",
            (FactKind.PRODUCTION, FactKind.METRIC, FactKind.HOLD),
            "The monitoring of the system in operation.",
        ),
        ProfileClause(
            "A.6.2.7",
            "Technical documentation",
            (FactKind.DESCRIPTION, FactKind.VERSION, FactKind.FILE, FactKind.SIGNATURE),
            "Documentation of the system for each category of readers.",
        ),
        ProfileClause(
            "A.6.2.8",
            "Recording of event logs",
            RECORDS,
            "Logs of the system in use. The log here is that of the registry.",
        ),
        ProfileClause(
            "A.7.2",
            "Data for development and enhancement",
            DATA,
            "The processes by which data is managed.",
        ),
        ProfileClause("A.7.3", "Acquisition of data", DATA, "How and from whom the data was acquired, and its rights."),
        ProfileClause("A.7.4", "Quality of data", missing="Requirements for the quality, and their measurement."),
        ProfileClause(
            "A.7.5",
            "Data provenance",
            (*DATA, FactKind.RUN),
            "The history of the data before the digest that is recorded here.",
        ),
        ProfileClause("A.7.6", "Data preparation", (FactKind.CODE,), "The criteria and methods of preparation."),
        ProfileClause("A.8.2", "Documentation and information for users", missing="What users receive."),
        ProfileClause("A.8.3", "External reporting", missing="How interested parties report adverse impacts."),
        ProfileClause("A.8.4", "Communication of incidents", missing="The plan and the records of communication."),
        ProfileClause("A.8.5", "Information for interested parties", missing="The obligations, and what was reported."),
        ProfileClause("A.9.2", "Processes for responsible use", missing="The processes."),
        ProfileClause("A.9.3", "Objectives for responsible use", missing="The objectives."),
        ProfileClause(
            "A.9.4",
            "Intended use",
            (FactKind.DESCRIPTION, FactKind.TAG),
            "The intended use as it was decided, and how the use is kept to it.",
        ),
        ProfileClause(
            "A.10.2",
            "Allocation of responsibilities",
            (FactKind.ROLE, FactKind.ACTOR),
            "Responsibilities of partners, suppliers and customers.",
        ),
        ProfileClause("A.10.3", "Suppliers", missing="The suppliers, and how they are assessed."),
        ProfileClause("A.10.4", "Customers", missing="The expectations of customers."),
    ),
)
