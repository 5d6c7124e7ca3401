"""FHIR R4 bulk exports: documents, narratives and remarks, and the persons, numbers and dates around them."""
