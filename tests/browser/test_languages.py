"""The languages of the pages, and the switch between them."""

from playwright.sync_api import expect

from tests.browser.windows import Windows
from tests.support.service import Process


def test_page_speaks_the_readers_language_and_the_one_that_is_chosen(windows: Windows, web: Process) -> None:
    page = windows.open(web.url, locale="de-CH")
    expect(page.locator("html")).to_have_attribute("lang", "de")
    expect(page.get_by_label("Sprache")).to_have_value("de")
    page.get_by_label("Sprache").select_option("Français")
    expect(page.locator("html")).to_have_attribute("lang", "fr")
    page.goto(f"{web.url}/?lang=es")
    page.get_by_label("Idioma").select_option("English")
    expect(page.get_by_label("Language")).to_have_value("en")
    assert page.url == f"{web.url}/"
