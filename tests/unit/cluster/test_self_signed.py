from datetime import UTC, datetime, timedelta
from ipaddress import ip_address

import pytest
from cryptography import x509
from cryptography.x509.verification import PolicyBuilder, Store, VerificationError

from fluxrouter_server.cluster.self_signed import SelfSigned, self_signed

NOW = datetime(2027, 1, 15, tzinfo=UTC)


def verify(made: SelfSigned, subject: x509.GeneralName, at: datetime = NOW) -> None:
    trusted = Store([x509.load_pem_x509_certificate(made.authority)])
    verifier = (
        PolicyBuilder().store(trusted).time(at).build_server_verifier(subject)  # type: ignore[arg-type]  # names and addresses
    )
    verifier.verify(x509.load_pem_x509_certificate(made.certificate), [])


@pytest.mark.parametrize(
    "subject", [x509.DNSName("router.flux.svc"), x509.IPAddress(ip_address("127.0.0.1"))]
)
def test_whoever_trusts_the_authority_trusts_the_server_by_each_of_its_names(
    subject: x509.GeneralName,
) -> None:
    verify(self_signed(["router.flux.svc", "127.0.0.1"], NOW), subject)


def test_no_other_name_is_trusted() -> None:
    with pytest.raises(VerificationError):
        verify(self_signed(["router"], NOW), x509.DNSName("other"))


def test_another_authority_vouches_for_nothing() -> None:
    mine, theirs = self_signed(["router"], NOW), self_signed(["router"], NOW)
    with pytest.raises(VerificationError):
        verify(SelfSigned(theirs.authority, mine.certificate, mine.key), x509.DNSName("router"))


def test_it_holds_for_ten_years_and_no_longer() -> None:
    made, subject = self_signed(["router"], NOW), x509.DNSName("router")
    verify(made, subject, NOW + timedelta(days=3649))
    with pytest.raises(VerificationError):
        verify(made, subject, NOW + timedelta(days=3651))
