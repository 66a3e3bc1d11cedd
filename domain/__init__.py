"""The words of this house, used the same everywhere.

User        a person with an e-mail address and a password; *verified*, or only a *claim* to the address.
Role        what a verified user may do: member, moderator, admin.
Session     a login that lasts; it moves through *generations* as its tokens are renewed.
Access token   says who is calling, for minutes. Refresh token: renews it, once, for days.
Floor       the lowest generation of a session whose access tokens are still welcome.
Origin      where a request comes from. Event: what happened to an account, and who did it.
Link        a signed permission in a mail, for one *purpose*, usable once.
Mail        a queued e-mail; a *letter* is its text.
Refusal     a no with a code.
"""
