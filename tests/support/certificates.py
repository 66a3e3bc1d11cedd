"""Certificates of servers in tests, valid and expired ones."""

import ipaddress
import ssl
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec


class Authority:
    """A certificate authority. A client with its `trust` accepts its certificates."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "Test authority")])
        self._certificate = self._sign(self._name, self._key, x509.BasicConstraints(ca=True, path_length=0), days=1)

    @property
    def trust(self) -> ssl.SSLContext:
        return ssl.create_default_context(cadata=self._pem.decode())

    @property
    def trusting(self) -> dict[str, str]:
        """The environment of a process that accepts its certificates."""
        file = self._folder / "authority.pem"
        file.write_bytes(self._pem)
        return {"SSL_CERT_FILE": str(file)}

    @property
    def _pem(self) -> bytes:
        return self._certificate.public_bytes(serialization.Encoding.PEM)

    def server(self, *names: str, days: int = 1) -> ssl.SSLContext:
        """A TLS context with a certificate for these names, which has expired if `days` is negative."""
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(self.certificate(*names, days=days))
        return context

    def certificate(self, *names: str, days: int = 1) -> Path:
        """A PEM file with a private key and a certificate for these names."""
        key = ec.generate_private_key(ec.SECP256R1())
        known = [
            x509.IPAddress(ipaddress.ip_address(name)) if name[0].isdigit() else x509.DNSName(name) for name in names
        ]
        certificate = self._sign(x509.Name([]), key, x509.SubjectAlternativeName(known), days=days)
        file = self._folder / f"{certificate.serial_number}.pem"
        encoding, secret = serialization.Encoding.PEM, serialization.NoEncryption()
        private = key.private_bytes(encoding, serialization.PrivateFormat.PKCS8, secret)
        file.write_bytes(private + certificate.public_bytes(encoding))
        return file

    def _sign(
        self, name: x509.Name, key: ec.EllipticCurvePrivateKey, extension: x509.ExtensionType, *, days: int
    ) -> x509.Certificate:
        now = datetime.now(UTC)
        return (
            x509.CertificateBuilder()
            .subject_name(name)
            .issuer_name(self._name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - timedelta(days=2))
            .not_valid_after(now + timedelta(days=days))
            .add_extension(extension, critical=True)
            .add_extension(_usage(isinstance(extension, x509.BasicConstraints)), critical=True)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key()), critical=False)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
            .sign(self._key, hashes.SHA256())
        )


def _usage(authority: bool) -> x509.KeyUsage:
    """Python 3.13 and later require that an authority may sign certificates (RFC 5280 section 4.2.1.3)."""
    return x509.KeyUsage(
        digital_signature=True,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=authority,
        crl_sign=authority,
        encipher_only=False,
        decipher_only=False,
    )
