"""Does the gate let a good successor pass, and refuse a bad one?

`python -m bench.gate` makes both kinds from real images and asks the audit about each: networks
that were retrained without the forgotten samples and a student, which should pass; and networks
that were ruined in five ways, which should not. Labels are used to make them and in the column
"by labels", and never by the gate.
"""
