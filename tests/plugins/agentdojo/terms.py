"""What a manifest would say of AgentDojo's tools, were they Corral's: our judgement of each.

Inbox, calendar, files and bank account hold a person's data, a workspace's messages the
organisation's; web pages, hotels and their reviews are public. Irreversible is what no other call
of the same tools takes back: money that was sent, mails, messages, bookings, deletions, a changed
password, what was shown to others. Each service is a host that the operator has agreed to;
arguments go further where they name who gets them: a recipient, a guest, a payee, an address of
the web. An argument is content where it is free text that is passed on or searched for.
"""

from dataclasses import dataclass

from guards.conversation import Confidentiality
from plugins.manifest import SideEffect

_NONE, _UNDOABLE, _FINAL = SideEffect.NONE, SideEffect.REVERSIBLE, SideEffect.IRREVERSIBLE
_PUBLIC, _USER, _TENANT = Confidentiality.PUBLIC, Confidentiality.USER, Confidentiality.TENANT

SERVICE = ("service.example",)
"""To the one host that runs it, which the operator has agreed to."""
ANYWHERE = ("*",)
"""To whoever the arguments name."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """One tool's terms, as :class:`~plugins.tool.Tool` has them."""

    effect: SideEffect = _NONE
    hosts: tuple[str, ...] = SERVICE
    reads: Confidentiality = _USER
    content: frozenset[str] = frozenset()


def _terms(
    effect: SideEffect,
    hosts: tuple[str, ...],
    reads: Confidentiality,
    names: str,
    *content: str,
) -> dict[str, Terms]:
    terms = Terms(effect=effect, hosts=hosts, reads=reads, content=frozenset(content))
    return dict.fromkeys(names.split(), terms)


TERMS: dict[str, Terms] = {
    # Mail, calendar and files.
    **_terms(
        _NONE,
        SERVICE,
        _USER,
        "get_unread_emails get_sent_emails get_received_emails get_draft_emails search_emails "
        "search_contacts_by_name search_contacts_by_email search_calendar_events "
        "get_day_calendar_events search_files_by_filename get_file_by_id list_files search_files",
        "query",
    ),
    **_terms(_NONE, SERVICE, _PUBLIC, "get_current_day"),
    **_terms(_FINAL, ANYWHERE, _USER, "send_email", "subject", "body"),
    **_terms(_FINAL, SERVICE, _USER, "delete_email delete_file"),
    **_terms(
        _UNDOABLE, ANYWHERE, _USER, "create_calendar_event", "title", "description", "location"
    ),
    **_terms(_UNDOABLE, ANYWHERE, _USER, "add_calendar_event_participants"),
    **_terms(_UNDOABLE, SERVICE, _USER, "reschedule_calendar_event cancel_calendar_event"),
    **_terms(_UNDOABLE, SERVICE, _USER, "create_file append_to_file", "content"),
    **_terms(_FINAL, ANYWHERE, _USER, "share_file"),
    # Travel.
    **_terms(
        _NONE,
        SERVICE,
        _PUBLIC,
        "get_all_hotels_in_city get_hotels_prices get_rating_reviews_for_hotels "
        "get_hotels_address get_all_restaurants_in_city get_cuisine_type_for_restaurants "
        "get_restaurants_address get_rating_reviews_for_restaurants get_price_for_restaurants "
        "get_dietary_restrictions_for_all_restaurants get_contact_information_for_restaurants "
        "check_restaurant_opening_hours get_all_car_rental_companies_in_city "
        "get_car_types_available get_rating_reviews_for_car_rental get_car_fuel_options "
        "get_car_rental_address get_car_price_per_day get_flight_information",
    ),
    **_terms(_NONE, SERVICE, _USER, "get_user_information"),
    **_terms(_FINAL, SERVICE, _USER, "reserve_hotel reserve_car_rental reserve_restaurant"),
    # Bank.
    **_terms(
        _NONE,
        SERVICE,
        _USER,
        "get_iban get_balance get_most_recent_transactions get_scheduled_transactions read_file "
        "get_user_info",
    ),
    **_terms(_FINAL, ANYWHERE, _USER, "send_money", "subject"),
    **_terms(
        _UNDOABLE, ANYWHERE, _USER, "schedule_transaction update_scheduled_transaction", "subject"
    ),
    **_terms(_FINAL, SERVICE, _USER, "update_password"),
    **_terms(_UNDOABLE, SERVICE, _USER, "update_user_info"),
    # Chat and web.
    **_terms(
        _NONE,
        SERVICE,
        _TENANT,
        "get_channels read_channel_messages read_inbox get_users_in_channel",
    ),
    **_terms(_FINAL, SERVICE, _TENANT, "send_direct_message send_channel_message", "body"),
    **_terms(_UNDOABLE, SERVICE, _TENANT, "add_user_to_channel"),
    **_terms(_UNDOABLE, ANYWHERE, _TENANT, "invite_user_to_slack"),
    **_terms(_FINAL, SERVICE, _TENANT, "remove_user_from_slack"),
    **_terms(_NONE, ANYWHERE, _PUBLIC, "get_webpage download_file"),
    **_terms(_FINAL, ANYWHERE, _PUBLIC, "post_webpage", "content"),
}
