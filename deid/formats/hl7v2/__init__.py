"""HL7 v2 messages: reports in OBX and NTE segments, and the persons, numbers and dates around them."""
