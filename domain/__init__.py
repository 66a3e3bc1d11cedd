"""The words of this house, used the same everywhere.

User        somebody with an address and a password; *verified* once the address is proven, a *claim* before.
Role        what a verified user may do: member, moderator, admin.
Session     a login that lasts; it moves through *generations* as its tokens are renewed.
Access token   says who is calling, for minutes. Refresh token: renews it, once, for days.
Floor       the lowest generation of a session whose access tokens are still welcome.
Origin      where a request comes from. Event: what happened to an account, and who did it.
Link        a sealed permission in a mail, for one *purpose*, usable once.
Mail        something the house owes somebody; a *letter* is its text.
Refusal     a no with a code.
"""
