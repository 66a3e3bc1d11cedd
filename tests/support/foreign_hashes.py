"""Hashes that other systems published with their passwords, and their sources."""

from base64 import b64encode
from dataclasses import dataclass

TABLE = "t\u00e1\u0411\u2113\u0259"
WAVES = "\u0399\u03c9\u03b1\u03bd\u03bd\u03b7\u03c2"
LETMEIN = "l\u00e8tmein"


@dataclass(frozen=True, slots=True)
class Vector:
    source: str
    password: str
    row: str

    def __str__(self) -> str:
        return f"{self.source}: {self.row[:24]}"


def _of(source: str, *pairs: tuple[str, str]) -> list[Vector]:
    return [Vector(source, password, row) for password, row in pairs]


def base64(hexadecimal: str) -> str:
    return b64encode(bytes.fromhex(hexadecimal)).decode()


_FIREBASE = "$fbscrypt$v=1,n=14,r=8,p=1,ss=Bw==,sk="
_FIREBASE_KEYS = (
    "jxspr8Ki0RYycVU8zykbdLGjFQ3McFUH0uiiTvC8pVMXAn210wjLNmdZJzxUECKbm0QsEmYUSDzZvpjeJ9WmXA==",
    "NkZlKPkYEFfnbh1nYTfLsbqQnQ6jyRV4itK7iUD+hjO96tsAYhBG40BVS3AuJyiwHinqc5RR3oA+lppOXPNRmw==",
)

STRONG = [
    *_of(
        "passlib 1.7, tests/test_handlers_django.py",
        ("not a password", "pbkdf2_sha256$10000$kjVJaVz6qsnJ$5yPHw3rwJGECpUf70daLGhOrQ5+AMxIJdz1c3bqK1Rs="),
        (TABLE, "pbkdf2_sha256$10000$bEwAfNrH1TlQ$OgYUblFNUX1B8GfMqaCYUK/iHyO0pa7STTDdaEJBuY0="),
        ("not a password", "pbkdf2_sha1$10000$wz5B6WkasRoF$atJmJ1o+XfJxKq1+Nu1f1i57Z5I="),
        (TABLE, "pbkdf2_sha1$10000$KZKWwvqb8BfL$rw5pWsxJEU4JrZAQhHTCO+u0f5Y="),
        ("", "bcrypt$$2a$06$DCq7YPn5Rq63x1Lad4cll.TV4S6ytwfsfvkgY8jIucDrjc8deX1s."),
        (TABLE, "bcrypt$$2a$05$Z17AXnnlpzddNUvnC6cZNOSwMA/8oNiKnHTHTwLlBijfucQQlHjaG"),
        ("", "bcrypt_sha256$$2a$06$/3OeRpbOf8/l6nPPRdZPp.nRiyYqPobEZGdNRBWihQhiFDh1ws1tu"),
        (LETMEIN, "bcrypt_sha256$$2a$08$NDjSAIcas.EcoxCRiArvT.MkNiPYVhrsrnJsRkLueZOoV1bsQqlmC"),
        ("abc123" * 12, "bcrypt_sha256$$2a$06$Tg/oYyZTyAf.Nb3qSgN61OySmyXA8FoY4PjGizjE1QSDfuL5MXNni"),
        ("abc123" * 12 + "qwr", "bcrypt_sha256$$2a$06$Tg/oYyZTyAf.Nb3qSgN61Ocy0BEz1RK6xslSNi8PlaLX2pe7x/KQG"),
        ("password", "argon2$argon2i$v=19$m=256,t=1,p=1$c29tZXNhbHQ$AJFIsNZTMKTAewB4+ETN1A"),
        ("password", "argon2$argon2i$v=19$m=380,t=2,p=2$c29tZXNhbHQ$SrssP8n7m/12VWPM8dvNrw"),
        (LETMEIN, "argon2$argon2i$v=19$m=512,t=2,p=2$V25jN1l4UUJZWkR1$MxpA1BD2Gh7+D79gaAw6sQ"),
    ),
    *_of(
        "Django, tests/auth_tests/test_hashers.py",
        (LETMEIN, "pbkdf2_sha256$390000$seasalt$8xBlGd3jVgvJ+92hWPxi5ww0uuAuAnKgC45eudxro7c="),
        (
            LETMEIN,
            "scrypt$16384$seasalt$8$1$Qj3+9PPyRjSJIebHnG81TMjsqtaIGxNQG/aEB/NY"
            "afTJ7tibgfYz71m0ldQESkXFRkdVCBhhY8mx7rQwite/Pw==",
        ),
        (
            "secret",
            "argon2$argon2i$m=8,t=1,p=1$c29tZXNhbHQ$gwQOXSNhxiOxPOA0+PY10P9QFO"
            "4NAYysnqRt1GSQLE55m+2GYDt9FEjPMHhP2Cuf0nOEXXMocVrsJAtNSsKyfg",
        ),
    ),
    *_of(
        "RFC 6070, in Django's spelling",
        ("password", f"pbkdf2_sha1$4096$salt${base64('4b007901b765489abead49d926f721d065a429c1')}"),
    ),
    *_of(
        "RFC 7914 section 12, in Django's spelling",
        (
            "password",
            "scrypt$1024$NaCl$8$16$"
            + base64(
                "fdbabe1c9d3472007856e7190d01e9fe7c6ad7cbc8237830e77376634b373162"
                "2eaf30d92e22a3886ff109279d9830dac727afb94a83ee6d8360cbdfa2cc0640"
            ),
        ),
        (
            "pleaseletmein",
            "scrypt$16384$SodiumChloride$8$1$"
            + base64(
                "7023bdcb3afd7348461c06cd81fd38ebfda8fbba904f8e3ea9b543f6545da1f2"
                "d5432955613f0fcf62d49705242a9af9e61e85dc0d651e40dfcf017b45575887"
            ),
        ),
    ),
    *_of(
        "passlib 1.7, tests/test_handlers_pbkdf2.py",
        ("password", "$pbkdf2$1212$OB.dtnSEXZK8U5cgxU/GYQ$y5LKPOplRmok7CZp/aqVDVg8zGI"),
        (WAVES, "$pbkdf2$1212$THDqatpidANpadlLeTeOEg$HV3oi1k5C5LQCgG1BMOL.BX4YZc"),
        ("password", "$pbkdf2-sha256$1212$4vjV83LKPjQzk31VI4E0Vw$hsYF68OiOUPdDZ1Fg.fJPeq1h/gXXY7acBp9/6c.tmQ"),
        (WAVES, "$pbkdf2-sha256$1212$3SABFJGDtyhrQMVt1uABPw$WyaUoqCLgvz97s523nF4iuOqZNbp5Nt8do/cuaa7AiI"),
        (
            "password",
            "$pbkdf2-sha512$1212$RHY0Fr3IDMSVO/RSZyb5ow$eNLfBK.eVozomMr.1gYa1"
            "7k9B7KIK25NOEshvhrSX.esqY3s.FvWZViXz4KoLlQI.BzY/YTNJOiKc5gBYFYGww",
        ),
        (
            WAVES,
            "$pbkdf2-sha512$1212$KkbvoKGsAIcF8IslDR6skQ$8be/PRmd88Ps8fmPowCJt"
            "tH9G3vgxpG.Krjt3KT.NP6cKJ0V4Prarqf.HBwz0dCkJ6xgWnSj2ynXSV7MlvMa8Q",
        ),
    ),
    *_of(
        "passlib 1.7, tests/test_handlers_scrypt.py",
        ("password", "$scrypt$ln=10,r=8,p=16$TmFDbA$/bq+HJ00cgB4VucZDQHp/nxq18vII3gw53N2Y0s3MWI"),
        ("test", "$scrypt$ln=8,r=8,p=1$wlhLyXmP8b53bm1NKYVQqg$mTpvG8lzuuDk+DWz8HZIB6Vum6erDuUm0As5yU+VxWA"),
        (TABLE, "$scrypt$ln=7,r=8,p=1$jjGmtDamdA4BQAjBeA9BSA$OiWRHhQtpDx7M/793x6UXK14AD512jg/qNm/hkWZG4M"),
        ("pleaseletmein", "$scrypt$ln=14,r=8,p=1$U29kaXVtQ2hsb3JpZGU$cCO9yzr9c0hGHAbNgf046/2o+7qQT44+qbVD9lRdofI"),
    ),
    *_of(
        "passlib 1.7, tests/test_handlers_bcrypt.py",
        (TABLE, "$2b$05$Z17AXnnlpzddNUvnC6cZNOSwMA/8oNiKnHTHTwLlBijfucQQlHjaG"),
        ("U*U***U", "$2a$05$WY62Xk2TXZ7EvVDQ5fmjNu7b0GEzSzUXUh2cllxJwhtOeMtWV3Ujq"),
        ("0123456789" * 25 + "0123", "$2a$04$R1lJ2gkNaoPGdafE.H.16.1MKHPvmKwryeulRe225LKProWYwt9Oi"),
    ),
    *_of(
        "supabase/auth, internal/crypto/password_test.go",
        ("test", "$2y$04$mIJxfrCaEI3GukZe11CiXublhEFanu5.ododkll1WphfSp6pn4zIu"),
        ("test", "$argon2i$v=19$m=16,t=2,p=1$bGJRWThNOHJJTVBSdHl2dQ$NfEnUOuUpb7F2fQkgFUG4g"),
        ("test", "$argon2id$v=19$m=32,t=3,p=2$SFVpOWJ0eXhjRzVkdGN1RQ$RXnb8rh7LaDcn07xsssqqulZYXOM/EUCEFMVcAcyYVk"),
        (
            "mytestpassword",
            f"{_FIREBASE}ou9tdYTGyYm8kuR6Dt0Bp0kDuAYoXrK16mbZO4yGwAn3oLspjnN0/c41v8xZnO1n14J3MjKj1b2g6AUCAlFwMw==$"
            "C0sHCg9ek77hsg==$zKVTMvnWVw5BBOZNUdnsalx4c4c7y/w7IS5p6Ut2+CfEFFlz37J9huyQfov4iizN8dbjvEJlM5tQaJP84+hfTw==",
        ),
    ),
    *_of(
        "firebase/scrypt, tests/",
        (
            "hunter2",
            f"{_FIREBASE}{_FIREBASE_KEYS[0]}$42xEC+ixf3L2lw==$"
            "70k8Vg5B3/OrvJOiqusnasv0dLcBHoDAqJrJr7TRLBfMw4MitWx51YXJYFdGiyMbMeKtWtLf5HiBDcN0SUOm4A==",
        ),
        (
            "this$is%to^test&some=symbols*out@",
            f"{_FIREBASE}{_FIREBASE_KEYS[1]}$Dc+nQe0OnNrVrg==$"
            "B8JNxsBRb0H5cHrnR18wpIbKnzp8//NV3r+3nZG4VYnM4simlThHfpOYx0cJrTBi7xVhiBS9UgkrTlrfSRf2VA==",
        ),
    ),
    # Its own tests (src/password.node.test.ts) contain no hashes; hashPassword printed these for passwords of those
    # theirs.
    *_of(
        "@better-auth/utils 0.4.2 on Node 20",
        (
            "correcthorsebatterystaple",
            "4b1256a1b751cf8fdae1272bbb89467f:6b18ed76e5c63300e07ed91c05f72335b40383a159a7981f99cec0dee274e202"
            "b28bd14afce16b3e861181246cddee97b9b072c52e00c396a0ee72f2898d1a43",
        ),
        (
            "\ufb01",
            "1bcca3dc93c835be5a44bfc571ba3e32:4d8fb73539cb2e4aa672e37cfe1a7c46eecc29837854303b3e05a7107d48c6f4"
            "2eb6f04efe3e9d9e7b56485b4856b7e20e409fef334b3b5d049c2e87b37de074",
        ),
    ),
]

WEAK = [
    *_of(
        "passlib 1.7, tests/test_handlers.py",
        ("password", "5f4dcc3b5aa765d61d8327deb882cf99"),
        (TABLE, "05473f8a19f66815e737b33264a0d0b0"),
        ("password", "5BAA61E4C9B93F3F0682250B6CF8331B7EE68FD8"),
        (TABLE, "e059b2628e3a3e2de095679de9822c1d1466e0f0"),
        ("password", "5e884898da28047151d0e56f8dc6292773603d0d6aabbdd62a11ef721d1542d8"),
        (TABLE, "6ed729e19bf24d3d20f564375820819932029df05547116cfc2cc868a27b4493"),
        (
            "password",
            "b109f3bbbc244eb82441917ed06d618b9008dd09b3befd1b5e07394c706a8bb980b1d7785e5976ec049b46df5f1326af"
            "5a2ea6d103fd07c95385ffab0cacbc86",
        ),
        ("U*U*U*U*", "$1$dXc3I7Rw$ctlgjDdWJLMT.qwHsWhXR1"),
        ("", "$1$dOHYPKoP$tnxS1T8Q6VVn3kpV8cN6o."),
        ("4lpHa N|_|M3r1K W/ Cur5Es: #$%(*)(*%#", "$1$jQS7o98J$V6iTcr71CGgwW2laf17pi1"),
        (TABLE, "$1$d6/Ky1lU$/xpf8m7ftmWLF.TjHCqel0"),
        ("myPassword", "$apr1$r31.....$HqJZimcKQFAMYayBlzkrA/"),
        (TABLE, "$apr1$bzYrOHUx$a1FcpXuQDJV3vPY20CS6N1"),
    ),
    *_of(
        "passlib 1.7, tests/test_handlers_django.py",
        ("password", "md5$123abcdef$c8272612932975ee80e8a35995708e80"),
        (TABLE, "md5$d9eb8$01495b32852bffb27cf5d4394fe7a54c"),
        ("password", "sha1$123abcdef$e4a1877b0e35c47329e7ed7e58014276168a37ba"),
        (TABLE, "sha1$6d853$ef13a4d8fb57aed0cb573fe9c82e28dc7fd372d4"),
    ),
    *_of(
        "Django, tests/auth_tests/test_hashers.py",
        (LETMEIN, "md5$seasalt$3f86d0d3d465b7b458c231bf3555c0e3"),
        (LETMEIN, "88a434c88cca4e900f7874cd98123f43"),
        (LETMEIN, "md5$$88a434c88cca4e900f7874cd98123f43"),
        (LETMEIN, "sha1$seasalt$cff36ea83f5706ce9aa7454e63e431fc726b2dc8"),
        (LETMEIN, "sha1$$6d138ca3ae545631b3abd71a4f076ce759c5700b"),
    ),
    *_of(
        "RFC 6070, in Django's spelling",
        ("password", f"pbkdf2_sha1$1$salt${base64('0c60c80f961f0e71f3a9b524af6012062fe037a6')}"),
        ("password", f"pbkdf2_sha1$2$salt${base64('ea6c014dc72d6f8ccd1ed92ace1d41f0d8de8957')}"),
    ),
    *_of(
        "passlib 1.7, tests/test_handlers_scrypt.py",
        ("", "$scrypt$ln=4,r=1,p=1$$d9ZXYjhleyA7GcpCwYoEl/FrSETjB0ro39/6P+3iFEI"),
        ("password", "$scrypt$ln=8,r=2,p=1$dO6d0xoDoLT2PofQGoNQag$g/Wf2A0vhHhaJM+addK61QPBthSmYB6uVTtQzh8CM3o"),
        ("nacl", "$scrypt$ln=1,r=4,p=2$yhnD+J+Tci4lZCwFgHCuVQ$fAsEWmxSHuC0cHKMwKVFPzrQukgvK09Sj+NueTSxKds"),
    ),
]
