"""The names that a Croissant file of ours may use.

Sources: the Croissant 1.1 specification (docs/croissant-spec-1.1.md of mlcommons/croissant, with
its appendix on the context), the property table of the Croissant RAI specification 1.0, PROV-O,
ODRL 2.2 and schema.org. Readers of Croissant keep a misspelt name without a word, hence our list.
"""

from __future__ import annotations

from typing import Any

CROISSANT = "http://mlcommons.org/croissant/1.1"
RAI = "http://mlcommons.org/croissant/RAI/1.0"
RAI_NAMESPACE = "http://mlcommons.org/croissant/RAI/"

_TERMS = (
    *("annotation", "arrayShape", "citeAs", "column", "containedIn", "equivalentProperty"),
    *("excludes", "extract", "field", "fileObject", "fileProperty", "fileSet", "format"),
    *("includes", "isArray", "isLiveDataset", "jsonPath", "key", "md5", "parentField", "path"),
    *("readLines", "recordSet", "references", "regex", "repeated", "replace", "samplingRate"),
    *("sdVersion", "separator", "source", "subField", "transform", "unArchive", "value"),
)

PREFIXES = {
    "cr": "http://mlcommons.org/croissant/",
    "dct": "http://purl.org/dc/terms/",
    "duo": "http://purl.obolibrary.org/obo/DUO_",
    "odrl": "http://www.w3.org/ns/odrl/2/",
    "prov": "http://www.w3.org/ns/prov#",
    "rai": RAI_NAMESPACE,
    "sc": "https://schema.org/",
}

CONTEXT: dict[str, Any] = {
    "@language": "en",
    "@vocab": PREFIXES["sc"],
    **PREFIXES,
    **{term: f"cr:{term}" for term in _TERMS},
    "conformsTo": "dct:conformsTo",
    "data": {"@id": "cr:data", "@type": "@json"},
    "dataType": {"@id": "cr:dataType", "@type": "@vocab"},
    "examples": {"@id": "cr:examples", "@type": "@json"},
    # As readers of Croissant 1.1 have them: names and descriptions may be given by language.
    "description": {"@container": "@language"},
    "name": {"@container": "@language"},
}
"""The JSON-LD context."""

RAI_PROPERTIES = (
    *("dataCollection", "dataCollectionType", "dataCollectionMissingData"),
    *("dataCollectionRawData", "dataCollectionTimeframe", "dataImputationProtocol"),
    *("dataManipulationProtocol", "dataPreprocessingProtocol", "dataAnnotationProtocol"),
    *("dataAnnotationPlatform", "dataAnnotationAnalysis", "dataReleaseMaintenancePlan"),
    *("personalSensitiveInformation", "dataSocialImpact", "dataBiases", "dataLimitations"),
    *("dataUseCases", "annotationsPerItem", "annotatorDemographics", "machineAnnotationTools"),
)
"""The 20 properties of Croissant RAI 1.0, spelt as in its table of properties."""

_PROV = (
    *("actedOnBehalfOf", "alternateOf", "atLocation", "atTime", "endedAtTime", "entity"),
    *("generated", "generatedAtTime", "hadActivity", "hadMember", "hadPlan", "hadPrimarySource"),
    *("hadRole", "influenced", "invalidatedAtTime", "label", "qualifiedAssociation"),
    *("qualifiedAttribution", "qualifiedDerivation", "qualifiedGeneration", "qualifiedUsage"),
    *("specializationOf", "startedAtTime", "used", "value", "wasAssociatedWith"),
    *("wasAttributedTo", "wasDerivedFrom", "wasEndedBy", "wasGeneratedBy", "wasInfluencedBy"),
    *("wasInformedBy", "wasInvalidatedBy", "wasQuotedFrom", "wasRevisionOf", "wasStartedBy"),
)
_ODRL = (
    *("action", "assignee", "assigner", "conflict", "consequence", "constraint", "dataType"),
    *("duty", "failure", "function", "hasPolicy", "includedIn", "inheritFrom", "leftOperand"),
    *("obligation", "operand", "operator", "partOf", "permission", "profile", "prohibition"),
    *("refinement", "relation", "remedy", "rightOperand", "rightOperandReference", "source"),
    *("status", "target", "uid", "unit"),
)
_SCHEMA_ORG = (
    *("about", "abstract", "alternateName", "author", "citation", "contactPoint", "contentSize"),
    *("contentUrl", "contributor", "copyrightHolder", "copyrightNotice", "copyrightYear"),
    *("creator", "creditText", "dateCreated", "dateModified", "datePublished", "description"),
    *("distribution", "editor", "email", "encodingFormat", "funder", "funding", "identifier"),
    *("inDefinedTermSet", "inLanguage", "includedInDataCatalog", "isAccessibleForFree"),
    *("isBasedOn", "isPartOf", "keywords", "license", "maintainer", "measurementTechnique"),
    *("name", "provider", "publisher", "publishingPrinciples", "sameAs", "sdDatePublished"),
    *("sdLicense", "sdPublisher", "sha256", "size", "spatialCoverage", "sponsor"),
    *("subjectOf", "temporalCoverage", "termCode", "text", "url", "usageInfo"),
    *("variableMeasured", "version"),
)

NAMES = frozenset(
    (
        *(_TERMS + _SCHEMA_ORG),
        *("@context", "@id", "@type", "@value", "@language"),
        *("conformsTo", "data", "dataType", "examples"),
        *(f"cr:{name}" for name in (*_TERMS, "data", "dataType", "examples")),
        *(f"sc:{name}" for name in _SCHEMA_ORG),
        *(f"rai:{name}" for name in RAI_PROPERTIES),
        *(f"prov:{name}" for name in _PROV),
        *(f"odrl:{name}" for name in _ODRL),
        "dct:conformsTo",
    )
)
"""Every name that may be a key."""
