from miso_upload.records.visitor_addresses import VisitorAddresses


def noted(*addresses, rows=30):
    found = VisitorAddresses()
    for address in addresses:
        found.note({address}, rows)
    return found


def test_one_private_address_of_all_rows_is_a_proxy():
    assert noted("10.0.0.1").proxies == 1
    assert noted("10.0.0.1", "fd00::1").proxies == 2


def test_public_addresses_many_addresses_and_few_rows_are_no_proxy():
    assert noted("10.0.0.1", "192.0.2.1").proxies == 0
    assert noted(*(f"10.0.0.{number}" for number in range(5))).proxies == 0
    assert noted("10.0.0.1", rows=3).proxies == 0


def test_blocks_are_added_in_any_order():
    private, public = noted("10.0.0.1"), noted("192.0.2.1")
    private.add(public)
    public.add(noted("10.0.0.1"))

    assert private == public
