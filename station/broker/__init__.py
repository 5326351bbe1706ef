"""`make broker` and `make revoke`: a mosquitto for a fleet, with an account for each node and each program.

`rights` says who may do what, `accounts` who there is, `authority` makes the certificates, `settings` mosquitto.conf; `site` is the folder
that all of it is written into. `server` runs a mosquitto, and `proof` shows on a copy that it keeps what it promises.
"""
