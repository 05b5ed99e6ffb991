"""Lists the usual column names in the exports of shops and of analytics systems.

Names are in lower case and without separators (`CustomerID`, `customer_id` and `customer-id` are
all `customerid`). Of several columns, the one whose name comes first in a list is preferred.
"""

from __future__ import annotations

from miso_upload.drafting.columns import words_of

USER = (
    "userid", "customerid", "memberid", "shopperid", "buyerid", "accountid", "subscriberid",
    "patronid", "personid", "profileid", "reviewerid", "readerid", "studentid", "learnerid",
    "clientnumber", "customernumber", "customerno", "customercode", "usernumber", "userno",
    "custid", "uid", "userkey", "customerkey", "usersid", "kundennummer", "kundenid", "kundennr",
    "idclient", "idusuario", "user", "customer", "member", "buyer", "kunde", "reviewer",
    "username", "login", "customeremail", "useremail", "email", "emailaddress",
)  # fmt: skip
EMAIL = ("customeremail", "useremail", "email", "emailaddress")
VISITOR = (
    "anonymousid", "visitorid", "fullvisitorid", "userpseudoid", "domainuserid", "networkuserid",
    "clientid", "gaclientid", "cookieid", "deviceid", "guestid", "browserid", "distinctid",
    "fingerprint", "amplitudeid", "installid", "installationid", "visitor", "cookie",
)  # fmt: skip
SESSION = (
    "sessionid", "usersession", "domainsessionid", "gasessionid", "visitid", "sessionkey",
    "sid", "session",
)  # fmt: skip
PRODUCT = (
    "productids", "productid", "itemproductid", "itemids", "itemid", "skus", "sku",
    "productsku", "itemsku",
    "variantid", "articleid", "movieid", "contentid", "videoid", "trackid", "songid", "bookid",
    "courseid", "recipeid", "listingid", "storyid", "postid", "showid", "goodsid", "gameid",
    "animeid", "episodeid", "albumid", "artistid", "parentasin", "asin", "isbn", "productcode",
    "stockcode", "itemcode", "lineitemsku",
    "articlenumber", "productnumber", "itemnumber", "productno", "itemno",
    "artikelnummer", "artikelid", "artikelnr", "ean", "gtin", "upc", "products", "items", "product",
    "item", "article", "idproduit", "idproducto",
)  # fmt: skip
ORDER = (
    "orderid", "ordernumber", "orderno", "invoiceno", "invoiceid", "invoicenumber", "invoice",
    "transactionid", "txnid", "receiptid", "purchaseid", "basketid", "order", "bestellnummer",
    "increment", "checkoutid",
)  # fmt: skip
IP = (
    "ip", "ipaddress", "clientip", "userip", "useripaddress", "visitorip", "remoteaddr",
    "remoteip", "remotehost", "xforwardedfor", "contextip", "ipaddr", "clientaddress", "cip",
)  # fmt: skip
USER_AGENT = ("useragent", "httpuseragent", "browseragent", "agent", "csuseragent", "ua")
URL = (
    "pageurl", "pagelocation", "currenturl", "url", "href", "pageuri", "requesturl", "fullurl",
    "location", "landingpage", "uri", "requesturi", "link", "page", "pagepath", "pathname", "path",
)  # fmt: skip
REFERRER = (
    "pagereferrer", "referrer", "referer", "httpreferer", "referrerurl", "referrerpage",
    "referreruri", "httpreferrer", "refererurl", "csreferer", "pagereferer", "initialreferrer",
)  # fmt: skip
TITLE = ("pagetitle", "documenttitle", "title")
TIME = (
    "timestamp", "eventtimestamp", "eventtime", "eventdatetime", "derivedtstamp", "occurredat",
    "originaltimestamp", "datetime", "eventdate", "createdat", "ts", "time", "orderdate",
    "orderedat", "invoicedate", "purchasedate", "orderpurchasetimestamp", "transactiondate",
    "servertime", "visittime", "collectortstamp", "clienttimestamp", "clienteventtime", "created",
    "createdate", "createtime", "datecreated", "date", "unixreviewtime", "reviewtime",
    "dvcecreatedtstamp", "logtime", "requesttime", "processedat", "ratingdate", "zeit", "datum",
    "unixtime", "epoch",
)  # fmt: skip
TIME_WORDS = frozenset(
    {"time", "timestamp", "date", "tstamp", "ts", "datetime", "at", "epoch", "utc"}
)
OTHER_TIME_WORDS = frozenset({
    "ship", "shipped", "shipping", "delivery", "delivered", "due", "updated", "update", "modified",
    "deleted", "birth", "birthday", "dob", "expire", "expires", "expiry", "etl", "sent", "received",
    "upload", "closed", "cancelled", "canceled", "refr", "first", "last", "previous", "approved",
    "estimated", "limit", "end", "release", "signup", "registration",
})  # fmt: skip
"""Words in the names of the times of other events."""
EVENT = (
    "eventtype", "eventname", "event", "action", "interactiontype", "behaviortype", "behaviourtype",
    "activitytype", "actiontype", "useraction", "activity", "behavior", "behaviour", "interaction",
    "eventaction", "type", "seaction", "verb",
)  # fmt: skip
QUANTITY = (
    "quantities", "quantity", "lineitemquantity", "itemquantity", "qty", "units", "amounts",
    "itemcount", "orderquantity", "menge",
    "anzahl", "count",
)  # fmt: skip
REVENUE = (
    "revenue", "ordertotal", "grandtotal", "totalrevenue", "taxfultotalprice", "totalprice",
    "totalamount", "orderamount", "ordervalue", "purchaserevenue", "totalpaid", "paymentvalue",
    "total", "linetotal", "sales", "salesamount", "amount", "subtotal", "taxlesstotalprice",
    "transactionrevenue", "gmv", "umsatz", "summe",
)  # fmt: skip
PRICE = ("price", "lineitemprice", "unitprice", "itemprice", "saleprice", "productprice", "preis")
MEDIA = {
    "listen": ("trackid", "songid", "albumid", "artistid", "episodeid"),
    "watch": ("movieid", "videoid", "animeid", "showid"),
    "read": ("articleid", "storyid", "postid", "bookid"),
}
"""The type of rows with ids of these names, if nothing else determines it."""
RATING = ("rating", "stars", "overall", "userrating", "reviewrating", "reviewscore", "ratingvalue",
          "bookrating", "score", "grade")  # fmt: skip
KEYWORDS = (
    "searchkeywords", "searchquery", "searchterm", "searchterms", "searchstring", "searchtext",
    "querystring", "query", "keywords", "keyword", "searchphrase", "search", "q", "term",
)  # fmt: skip
CURRENCY = ("currency", "currencycode", "ordercurrency", "basecurrency", "waehrung")
PLAIN = {
    "context.locale": ("locale", "browserlanguage", "language", "lang"),
    "context.campaign.source": ("utmsource", "campaignsource", "mktsource"),
    "context.campaign.medium": ("utmmedium", "campaignmedium", "mktmedium"),
    "context.campaign.name": ("utmcampaign", "campaignname", "mktcampaign"),
    "context.campaign.term": ("utmterm", "mktterm"),
    "context.campaign.content": ("utmcontent", "mktcontent"),
}
"""Attributes that are recognised by name only."""
PERSONAL_WORDS = frozenset({
    "name", "firstname", "lastname", "fullname", "email", "mail", "phone", "mobile", "address",
    "street", "postcode", "zip", "zipcode", "postal", "birth", "birthday", "dob", "password",
    "ip", "token", "secret", "latitude", "longitude", "lat", "lon", "ipaddress", "gender",
})  # fmt: skip
"""Words in the names of columns whose values are not shown in the mapping file."""

THING_WORDS = frozenset({
    "product", "item", "event", "category", "brand", "campaign", "region", "city", "page", "action",
    "tracker", "country", "continent",
})  # fmt: skip
"""Words that show that a name is not a person's."""

_EVENTS = {
    "product_detail_page_view": (
        "view|product view|view item|product viewed|detail page view|item view|view product|"
        "pdp view|view content|product detail|detail|product detail view|viewed product|pv|"
        "product page view|item viewed|views|open|visit product"
    ),
    "search": (
        "search|view search results|products searched|site search|searched|search performed|query"
    ),
    "add_to_cart": (
        "cart|add to cart|product added|add to basket|basket|added to cart|addtocart|add|"
        "cart add|add item|atc"
    ),
    "remove_from_cart": (
        "remove from cart|product removed|removefromcart|removed from cart|cart remove|"
        "remove from basket|remove"
    ),
    "checkout": (
        "purchase|buy|order|transaction|order completed|checkout completed|purchase complete|"
        "purchased|order placed|placed order|ordered|payment|sale|bought|purchase completed|"
        "checkout|complete order|completed purchase|conversion"
    ),
    "refund": ("refund|order refunded|return|refunded|returned"),
    "subscribe": ("subscribe|subscribed|subscription started"),
    "unsubscribe": ("unsubscribe|unsubscribed"),
    "add_to_collection": ("add to collection|add to playlist|add to list|add to library"),
    "remove_from_collection": (
        "remove from collection|remove from playlist|remove from list|remove from library|"
        "remove from wishlist|product removed from wishlist"
    ),
    "read": ("read|article read|article view|article viewed"),
    "watch": ("watch|video play|play video|watched|video watched|video started|video start|stream"),
    "listen": ("listen|listened|song played|track played"),
    "complete": ("complete|completed|finish|finished|video complete|video completed"),
    "like": ("like|liked|upvote|thumbs up|heart"),
    "dislike": ("dislike|disliked|downvote|thumbs down"),
    "share": ("share|shared|product shared"),
    "rate": ("rate|rated|rating|review|product reviewed"),
    "bookmark": (
        "bookmark|bookmarked|wishlist|add to wishlist|product added to wishlist|favorite|"
        "favourite|fav|save|saved"
    ),
    "impression": ("impression|impressions|product impression|product impressions|view impression"),
    "viewable_impression": ("viewable impression"),
    "click": ("click|select item|product clicked|product click|clickout|clicked|item click"),
    "submit": ("submit|submitted|form submit"),
    "home_page_view": ("home page view|homepage|home|homepage view|home view"),
    "category_page_view": (
        "category page view|category view|view item list|list view|view category|"
        "product list viewed|category viewed|category"
    ),
    "promo_page_view": (
        "promo page view|promotion view|view promotion|promo view|promotion viewed"
    ),
    "product_image_view": ("product image view|image view"),
}
_PAGES = "page view|pageview|page hit|page|page viewed|screen view|screen|viewed page|pageviews|hit"


def _compact(text: str) -> str:
    return "".join(words_of(text))


EVENT_TYPES = {
    _compact(name): type_name for type_name, names in _EVENTS.items() for name in names.split("|")
} | {_compact(type_name): type_name for type_name in _EVENTS}
"""Miso's types by the names of events without separators."""
PAGE_EVENTS = frozenset(map(_compact, _PAGES.split("|")))
"""Names of the view of any page, of a product or not."""


def event_type(name: str) -> str | None:
    """Return Miso's type for an event's name; None if the name is unknown."""
    compact = _compact(name)
    if compact in PAGE_EVENTS:
        return "product_detail_page_view"
    return EVENT_TYPES.get(compact)


def rank(names: tuple[str, ...], known: tuple[str, ...]) -> int | None:
    """Return the first index in `known` of one of `names`; None if none is in it."""
    indices = [known.index(name) for name in names if name in known]
    return min(indices, default=None)


NOT_EVENT_WORDS = frozenset({
    "category", "categories", "department", "section", "brand", "genre", "genres", "tag", "tags",
    "collection", "topic", "status", "source", "medium", "channel", "campaign", "referrer", "title",
    "device", "browser", "country", "language", "payment", "shipping", "keyword", "keywords",
    "query", "search", "term",
})  # fmt: skip
"""Words in the names of columns that do not hold events, even if their values look like some."""

SEARCH_PARAMETERS = frozenset({
    "q", "query", "search", "s", "keyword", "keywords", "search_query", "searchquery", "searchterm",
    "search_term", "term", "searchtext", "text", "w", "kw", "suche", "suchbegriff", "recherche",
    "buscar", "busqueda", "phrase",
})  # fmt: skip
"""URL parameters that contain search keywords."""
PRODUCT_PARAMETERS = frozenset({
    "product_id", "productid", "product", "prod_id", "prodid", "sku", "item_id", "itemid", "item",
    "pid", "asin", "ean", "article_id", "articleid", "goods_id", "goodsid", "artikel", "artikelnr",
    "produkt", "produit", "producto", "add-to-cart", "product_sku", "variant_id",
})  # fmt: skip
"""URL parameters that contain the id of a product."""
DOUBTFUL_PRODUCT_PARAMETERS = frozenset({"item", "pid", "product", "id", "artikel"})
"""Parameters that other sites use for other purposes."""
CART_WORDS = frozenset({
    "cart", "addtocart", "basket", "bag", "warenkorb", "panier", "carrito", "carrello", "carrinho",
    "winkelwagen", "winkelmand", "koszyk", "varukorg",
})  # fmt: skip
"""Words in the paths of requests that fill a cart."""
FEED_PARAMETERS = frozenset({"atom", "feed", "flav", "format", "rss"})
"""URL parameters that request a feed."""
FEED_STEPS = frozenset({"feed", "rss", "atom", "feed.xml", "rss.xml", "atom.xml"})
"""Last steps of a path that request a feed."""
DOUBTFUL_PARAMETERS = frozenset({"s", "w", "kw", "text", "term"})
"""Search parameters that other sites use for other purposes."""

_SECTIONS = {
    ("product_detail_page_view", "product_ids"): (
        "product products p pd pdp dp item items sku detail details produkt produkte prod goods "
        "listing listings buy artikel produit produits producto productos gp"
    ),
    ("category_page_view", "category"): (
        "category categories cat cats c collection collections department departments kategorie "
        "kategorien brand brands categorie categoria tag tags topic topics genre genres"
    ),
    ("read", "product_ids"): (
        "article articles blog blogs news post posts story stories magazine magazin recipe recipes "
        "guide guides book books read doc docs wiki entry entries"
    ),
    ("watch", "product_ids"): (
        "watch video videos movie movies film films episode episodes show shows"
    ),
    ("listen", "product_ids"): (
        "listen track tracks song songs album albums podcast podcasts audio"
    ),
    ("promo_page_view", "product_ids"): (
        "promo promos promotion promotions deal deals offer offers"
    ),
}  # fmt: skip
SECTIONS = {word: kind for kind, words in _SECTIONS.items() for word in words.split()}
"""The type of the page and the attribute of the next step, by a step of a path."""
