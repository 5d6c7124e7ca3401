"""Clinical documents (HL7 CDA release 2, C-CDA): sections as notes, the header and the entries by type."""
