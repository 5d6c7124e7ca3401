"""Policies with and without each finding of lint."""

from __future__ import annotations

HEAD = "policy: mine\nversion: '1'\n"
SAFE_HARBOR = HEAD + "extends: safe-harbor\n"
LIMITED = HEAD + "extends: limited-data-set\n"
RESEARCH = HEAD + "extends: research-surrogates\n"
CUSTOM = HEAD + "extends: base\n"
PATTERN = "types.PET.patterns[0].regex"
PET = "  PET:\n    description: The name of an animal that lives with the patient, after pet, dog or cat.\n"
VISIT = RESEARCH + (
    "types:\n  VISIT:\n    description: The day of a visit, after seen on.\n"
    "    examples: ['3/4/2079']\n    i2b2: DATE\n"
)
TYPE = f"types:\n{PET}    examples: [Wicket]\n"


DAY = (
    "types:\n  DAY:\n    description: A day of the calendar, after seen on or born.\n"
    "    examples: ['3/4/2079']\n    i2b2: DATE\n    hipaa: C\n    operator: redact\n"
)


# code -> (texts that have this finding alone, with the key path; texts without any finding)
CASES: dict[str, tuple[list[tuple[str, str]], list[str]]] = {
    "DP001": (
        [
            (SAFE_HARBOR + "types: {SSN: null}\n", "types"),
            (SAFE_HARBOR + "types: {CITY: null}\n", "types"),
            (SAFE_HARBOR + "types: {AGE: null}\n", "types"),
            (SAFE_HARBOR + "types: {BIOMETRIC_ID: {hipaa: P}}\n", "types"),
            (LIMITED + "types: {STREET_ADDRESS: null}\n", "types"),
            (LIMITED + "types: {PHONE: null}\n", "types"),
            (SAFE_HARBOR + "types: {RELATIVE_NAME: null}\n", "types.RELATIVE_NAME"),
            (SAFE_HARBOR + "types: {HOSPITAL: null}\n", "types.HOSPITAL"),
            (SAFE_HARBOR + "types: {OTHER_ID: null}\n", "types.OTHER_ID"),
            (LIMITED + "types: {PATIENT_NAME: null}\n", "types.PATIENT_NAME"),
        ],
        [
            SAFE_HARBOR + "types: {STATE: null, PROFESSION: null, DATE: {i2b2: null}}\n",
            SAFE_HARBOR + "types: {RELATIVE_NAME: {operator: keep, hipaa: null}}\n",
            SAFE_HARBOR + f"{DAY}  DATE: null\n",
            LIMITED + "types: {CITY: null, HOSPITAL: null, DATE: null, OTHER_ID: null, USERNAME: null}\n",
        ],
    ),
    "DP002": (
        [
            (SAFE_HARBOR + f"types: {{DATE: {{operator: {operator}}}}}\n", "types.DATE.operator")
            for operator in (
                "keep", "shift_date", "{mask: {keep_last: 4}}",
            )
        ]
        + [(SAFE_HARBOR + TYPE + "    hipaa: C\n    operator: keep\n", "types.PET.operator")],
        [
            SAFE_HARBOR + "types: {DATE: {operator: redact}}\n",
            SAFE_HARBOR + "types: {DATE: {operator: mask}}\n",
            SAFE_HARBOR + "types: {DATE: {operator: generalize}}\n",
            LIMITED + "types: {DATE: {operator: shift_date}}\n",
        ],
    ),
    "DP003": (
        [
            (SAFE_HARBOR + f"types: {{ZIP_CODE: {{operator: {operator}}}}}\n", "types.ZIP_CODE.operator")
            for operator in ("keep", "{mask: {keep_last: 4}}")
        ],
        [SAFE_HARBOR + "types: {ZIP_CODE: {operator: redact}}\n"],
    ),
    "DP004": (
        [
            (SAFE_HARBOR + "types: {AGE: {operator: keep}}\n", "types.AGE.operator"),
            (SAFE_HARBOR + "types: {AGE: {operator: {mask: {keep_last: 1}}}}\n", "types.AGE.operator"),
        ],
        [SAFE_HARBOR + "types: {AGE: {operator: redact}}\n"],
    ),
    "DP005": (
        [
            (SAFE_HARBOR + f"types: {{MRN: {{operator: {operator}}}}}\n", "types.MRN.operator")
            for operator in ("hash", "encrypt", "{pseudonym: {code: keyed}}")
        ],
        [
            SAFE_HARBOR + "types: {PATIENT_NAME: {operator: {pseudonym: {code: random}}}}\n",
            SAFE_HARBOR + "types: {MRN: {operator: surrogate}, PATIENT_NAME: {operator: pseudonym}}\n",
            RESEARCH + "types: {MRN: {operator: hash}}\n",
        ],
    ),
    "DP006": (
        [
            (SAFE_HARBOR + "types: {CITY: {operator: keep}}\n", "types.CITY.operator"),
            (SAFE_HARBOR + "types: {SSN: {operator: {mask: {keep_last: 4}}}}\n", "types.SSN.operator"),
        ],
        [
            SAFE_HARBOR + "types: {CLINICIAN_NAME: {operator: keep, hipaa: null}}\n",
            SAFE_HARBOR + "types: {SSN: {operator: {mask: {char: '#'}}}}\n",
        ],
    ),
    "DP007": (
        [
            (LIMITED + "types: {STREET_ADDRESS: {operator: keep}}\n", "types.STREET_ADDRESS.operator"),
            (LIMITED + "types: {SSN: {operator: {mask: {keep_last: 4}}}}\n", "types.SSN.operator"),
            (LIMITED + "types: {BIOMETRIC_ID: {operator: keep}}\n", "types.BIOMETRIC_ID.operator"),
        ],
        [LIMITED + "types: {LOCATION_OTHER: {operator: keep}, OTHER_ID: {operator: keep}}\n"],
    ),
    "DP008": (
        [
            (CUSTOM + "types: {CLINICIAN_NAME: {operator: keep}}\n", "types.CLINICIAN_NAME.operator"),
            (RESEARCH + "types: {OTHER_ID: {operator: keep}}\n", "types.OTHER_ID.operator"),
            (RESEARCH + "types: {SSN: {operator: {mask: {keep_last: 4}}}}\n", "types.SSN.operator"),
        ],
        [CUSTOM + "types: {CITY: {operator: keep}, DATE: {operator: keep}, STATE: {operator: keep}}\n"],
    ),
    "DP009": (
        [(HEAD + "default_operator: keep\n" + TYPE + "    operator: mask\n", "default_operator")],
        [HEAD + "default_operator: mask\n" + TYPE],
    ),
    "DP010": (
        [(HEAD + TYPE + "    detect: [known, propagation]\n", "types.PET.detect")],
        [HEAD + TYPE + "    detect: [rules]\n", HEAD + TYPE + "    detect: [encoder]\n"],
    ),
    "DP011": (
        [(HEAD + "types: {PET: {description: name of a pet, examples: [Rex]}}\n", "types.PET.description")],
        [
            HEAD + "types: {PET: {description: the name after dog or cat, examples: [Wicket]}}\n",
            HEAD + "types: {PET: {description: pet, detect: [rules]}}\n",
        ],
    ),
    "DP012": ([(HEAD + f"types:\n{PET}", "types.PET")], [HEAD + f"types:\n{PET}    detect: [rules]\n"]),
    "DP013": (
        [
            (
                HEAD + TYPE + PET.replace("PET", "DOG").replace("an", "some") + "    examples: [Petrel]\n",
                "types.DOG.description",
            )
        ],
        [
            HEAD + TYPE + "  SHIP: {description: Name of a boat after sails on or near, examples: [Rex]}\n",
            HEAD + TYPE + PET.replace("PET", "DOG") + "    detect: [rules]\n",
        ],
    ),
    "DP014": (
        [
            (HEAD + TYPE + f"    patterns: [{{regex: '{regex}'}}]\n", PATTERN)
            for regex in ("(?=a)b", r"(a)\1", "(", "(?P<phi>Q)|(?P<phi>X)", "(?<phi>Q)(?P<phi>X)")
        ],
        [HEAD + TYPE + "    patterns: [{regex: '(?P<phi>Q) X'}, {regex: '^(Q)(X)$'}]\n"],
    ),
    "DP015": (
        [
            (HEAD + TYPE + f"    patterns: [{{regex: '{regex}', ignore_case: true}}]\n", PATTERN)
            for regex in ("[0-9]+", "x*", r"\w+", "THE")
        ],
        [HEAD + TYPE + "    patterns: [{regex: 'tag (?P<phi>[0-9]{4})', ignore_case: true}, {regex: THE}]\n"],
    ),
    "DP016": (
        [(HEAD + TYPE + "    detect: [encoder]\n    patterns: [{regex: Wicket}]\n", "types.PET.patterns")],
        [HEAD + TYPE + "    detect: [encoder, rules]\n    patterns: [{regex: Wicket}]\n"],
    ),
    "DP017": (
        [(HEAD + TYPE + f"    hipaa: {letters}\n", "types.PET.hipaa") for letters in ("S", "a", "'A, B'")],
        [HEAD + TYPE + "    hipaa: AR\n"],
    ),
    "DP018": (
        [(HEAD + TYPE + "    threshold: 0.7\n", "types.PET.threshold")],
        [HEAD + TYPE + "    threshold: calibrated\n"],
    ),
    "DP019": (
        [(SAFE_HARBOR + f"zip3_census: '{year}'\n", "zip3_census") for year in (2000, 2010)]
        + [
            (
                SAFE_HARBOR + "types: {ZIP_CODE: {operator: {generalize: {zip3_census: '2010'}}}}\n",
                "types.ZIP_CODE.operator",
            )
        ],
        [
            SAFE_HARBOR + "zip3_census: '2020'\n",
            CUSTOM + "zip3_census: '2000'\n",
            SAFE_HARBOR + "types: {ZIP_CODE: {operator: {generalize: {zip3_census: '2020'}}}}\n",
        ],
    ),
    "DP020": (
        [(RESEARCH + "types: {AGE: {operator: keep}}\n", "types.AGE.operator")],
        [
            RESEARCH + "types: {AGE: {operator: surrogate}}\n",
            CUSTOM + "types: {AGE: {operator: keep}}\n",
        ],
    ),
    "DP021": (
        [
            (
                RESEARCH + "types:\n  BIRTH_DATE:\n    description: A birth date, after DOB or born.\n"
                "    examples: ['3/4/2011']\n    i2b2: DATE\n    operator: keep\n",
                "types.BIRTH_DATE.operator",
            )
        ],
        [LIMITED + "types: {}\n", RESEARCH + "types: {DATE: {operator: redact}}\n"],
    ),
    "DP022": (
        [(RESEARCH + "types: {DATE: {operator: {generalize: {to: year}}}}\n", "types.DATE.operator")],
        [
            RESEARCH + "types: {DATE: {operator: {shift_date: {weekday: false}}}}\n",
            CUSTOM + "types: {DATE: {operator: generalize}}\n",
        ],
    ),
    "DP023": (
        [(f"{VISIT}    operator: {{shift_date: {{{way}}}}}\n", "types.VISIT.operator") for way in (
            "max_days: 180", "weekday: false",
        )],
        [f"{VISIT}    operator: {{shift_date: {{day_first: true, max_days: 365}}}}\n"],
    ),
    "DP024": (
        [
            (RESEARCH + f"types: {{DATE: {{operator: {{shift_date: {{{few}}}}}}}}}\n", "types.DATE.operator")
            for few in ("max_days: 30", "max_days: 174", "max_days: 24, weekday: false")
        ],
        [
            RESEARCH + f"types: {{DATE: {{operator: {{shift_date: {{{many}}}}}}}}}\n"
            for many in ("max_days: 175", "max_days: 25, weekday: false")
        ],
    ),
    "DP025": (
        [
            (SAFE_HARBOR + "types: {SSN: {operator: {mask: {length: same}}}}\n", "types.SSN.operator"),
            (HEAD + "default_operator: {mask: {length: same}}\n" + TYPE, "types.PET.operator"),
        ],
        [HEAD + "default_operator: {mask: {length: fixed}}\n" + TYPE],
    ),
    "DP026": (
        [
            (SAFE_HARBOR + f"types: {{{name}: {{operator: {{pseudonym: {{code: random}}}}}}}}\n",
             f"types.{name}.operator")
            for name in ("CLINICIAN_NAME", "RELATIVE_NAME", "CITY")
        ],
        [
            SAFE_HARBOR + "types: {MRN: {operator: {pseudonym: {code: random}}}}\n",
            SAFE_HARBOR + "types: {CLINICIAN_NAME: {operator: pseudonym}}\n",
        ],
    ),
    "DP027": (
        [
            (
                HEAD + "types: {PET: {description: The name of an animal that somebody is fond of,"
                " examples: [Rex]}}\n",
                "types.PET.description",
            )
        ],
        [
            HEAD + "types: {PET: {description: The name of an animal that somebody is fond of,"
            f" {key}, examples: [Rex]}}}}\n"
            for key in ("views: [word after dog or cat]", "detect: [rules]")
        ],
    ),
    "DP028": (
        [
            (CUSTOM + f"types: {{{name}: {{examples: [M.Q., {example}]}}}}\n", f"types.{name}.examples[1]")
            for name, example in (
                ("PATIENT_NAME", "John Doe"), ("SSN", "123-45-6789"), ("MRN", "'12345'"), ("CITY", "foo"),
                ("MRN", "X"), ("PHONE", "000-000-0000"), ("PATIENT_NAME", "<name>"), ("DATE", "MM/DD/YYYY"),
                ("CITY", "'?'"), ("EMAIL", "user@example.com"), ("OTHER_ID", "XXXX-XXXX"),
            )
        ],
        [
            CUSTOM + f"types: {{{name}: {{examples: [{example}]}}}}\n"
            for name, example in (
                ("SSN", "xxx-xx-4320, '4320'"), ("PATIENT_NAME", "M.Q., Doe-Lindh"), ("MRN", "'1240'"),
                ("CITY", "Foo Valley"),
            )
        ],
    ),
    "DP029": (
        [
            (CUSTOM + f"types: {{{name}: {{examples: [{example}]}}}}\n", f"types.{name}.examples[0]")
            for name, example in (
                ("CLINICIAN_NAME", "Dr. Wexcombe"), ("CLINICIAN_NAME", "'Ana Lima, MD'"),
                ("PATIENT_NAME", "Ms Oduya"), ("RELATIVE_NAME", "Bram's"), ("AGE", "62-year-old"),
                ("MRN", "'MRN 0048812'"), ("PHONE", "'Tel: 555-0142'"), ("DATE", "'DOB 3/4/2011'"),
            )
        ],
        [
            CUSTOM + f"types: {{{name}: {{examples: [{example}]}}}}\n"
            for name, example in (
                ("CLINICIAN_NAME", "Drew Mdosi"), ("AGE", "'62', 9-month"), ("OTHER_ID", "NO-4418, ID4418"),
                ("ORGANIZATION", "Dr. Lund's"), ("DATE", "March 3"),
            )
        ],
    ),
    "DP030": (
        [
            (HEAD + TYPE + f"    patterns: [{{regex: '{regex}'}}]\n", PATTERN)
            for regex in ("tag: (?P<phi>.+)", "tag: .*", "tag: (?P<phi>(a|b).{3,})", r"tag: (?P<phi>\[.*)")
        ],
        [
            HEAD + TYPE + f"    patterns: [{{regex: '{regex}'}}]\n"
            for regex in ("tag.*: (?P<phi>[A-Z]+).*end", "tag: .{1,20}", r"tag: [.]+\.+", "tag (?P<phi>.+?),")
        ],
    ),
    "DP031": (
        [(HEAD + TYPE + r"    patterns: [{regex: 'tag \d{1,1000}'}]" + "\n", PATTERN)],
        [HEAD + TYPE + r"    patterns: [{regex: 'tag \d{1,100}'}]" + "\n"],
    ),
    "DP038": (
        [
            (RESEARCH + "types: {DATE: null}\n", "types.DATE"),
            (RESEARCH + "types: {AGE: null}\n", "types.AGE"),
            (RESEARCH + "types: {PATIENT_NAME: null}\n", "types.PATIENT_NAME"),
            (CUSTOM + "types: {SSN: null}\n", "types.SSN"),
            (RESEARCH + f"{DAY}  SSN: null\n", "types.SSN"),
        ],
        [
            CUSTOM + "types: {STATE: null, PROFESSION: null}\n",
            RESEARCH + f"{DAY}  DATE: null\n",
            SAFE_HARBOR + "types: {STATE: null}\n",
        ],
    ),
}  # fmt: skip
BAD = [(code, text, key) for code, (bad, _) in CASES.items() for text, key in bad]
GOOD = [(code, text) for code, (_, good) in CASES.items() for text in good]
