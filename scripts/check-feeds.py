"""Reads the feeds below folders as a reader does, and says what a reader would
stumble over. check-feeds calls it; beside Python it needs feedparser.

Of every Atom and RSS feed: feedparser finds nothing wrong with it; ids, titles,
absolute links and plausible times are there; no id stands twice. Of every JSON
feed: what JSON Feed 1.1 requires. Of the formats of one feed: the same ids, in
one order.
"""

import datetime
import json
import multiprocessing
import os
import pathlib
import re
import sys
import time

import feedparser

SHOWN = 100  # faults; the others are counted
EARLIEST = datetime.datetime(1990, 1, 1, tzinfo=datetime.timezone.utc)
LATEST = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(days=1)
TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)")
ABSOLUTE = re.compile(r"https?://[^/\s]+\S*")


def plausible(moment):
    return EARLIEST <= moment <= LATEST


def utc(parsed):
    """The time of a struct_time of feedparser's."""
    return datetime.datetime(*parsed[:6], tzinfo=datetime.timezone.utc)


def check_ids(ids, faults):
    seen = set()
    for i in ids:
        if i in seen:
            faults.append(f"the id {i} stands twice")
        seen.add(i)


def check_xml(data, ending):
    """The ids of an Atom or RSS feed, and its faults."""
    faults = []
    # Nothing is mended on the way: feedparser is to see what there is.
    feed = feedparser.parse(data, sanitize_html=False, resolve_relative_uris=False)
    if feed.bozo:
        faults.append(f"feedparser: {feed.get('bozo_exception')}")
    expected = {"atom": "atom10", "rss": "rss20"}[ending]
    if feed.version != expected:
        faults.append(f"feedparser takes it for {feed.version or 'no feed'}, not {expected}")
    if not feed.feed.get("title"):
        faults.append("no title")
    ids = []
    for n, e in enumerate(feed.entries, 1):
        where = f"entry {n} ({e.get('id', 'no id')})"
        ids.append(e.get("id"))
        times = {"atom": ["published", "updated"], "rss": ["published"]}[ending]
        for key in ["id", "title", "link"] + times:
            if not e.get(key):
                faults.append(f"{where}: no {key}")
        if e.get("link") and not ABSOLUTE.fullmatch(e.link):
            faults.append(f"{where}: the link {e.link} is not absolute")
        for key in times:
            parsed = e.get(key + "_parsed")
            if e.get(key) and not parsed:
                faults.append(f"{where}: {key} {e[key]} is no time")
            elif parsed and not plausible(utc(parsed)):
                faults.append(f"{where}: {key} {e[key]} is not plausible")
        if not e.get("content") and not e.get("summary"):
            faults.append(f"{where}: neither content nor summary")
        # RFC 4287, section 4.1.2: one alternate of a type and language.
        alternates = [(l.get("type"), l.get("hreflang")) for l in e.get("links", []) if l.get("rel") == "alternate"]
        if len(alternates) != len(set(alternates)):
            faults.append(f"{where}: two alternate links of one type and language")
    return ids, faults


def check_json(data):
    """The ids of a JSON feed, and its faults (jsonfeed.org/version/1.1)."""
    faults = []
    try:
        feed = json.loads(data.decode("utf-8"))
    except ValueError as err:
        return None, [f"no JSON: {err}"]
    if not isinstance(feed, dict):
        return None, ["not an object"]
    if feed.get("version") != "https://jsonfeed.org/version/1.1":
        faults.append(f"version is {feed.get('version')!r}")
    if not isinstance(feed.get("title"), str) or not feed["title"]:
        faults.append("no title")
    for key in ["home_page_url", "feed_url"]:
        if key in feed and not ABSOLUTE.fullmatch(str(feed[key])):
            faults.append(f"{key} {feed[key]!r} is not absolute")
    if not isinstance(feed.get("items"), list):
        return None, faults + ["no list of items"]
    ids = []
    for n, item in enumerate(feed["items"], 1):
        if not isinstance(item, dict):
            faults.append(f"item {n} is not an object")
            continue
        where = f"item {n} ({item.get('id', 'no id')})"
        ids.append(item.get("id"))
        if not isinstance(item.get("id"), str) or not item["id"]:
            faults.append(f"{where}: id is not a string")
        if not any(isinstance(item.get(k), str) for k in ["content_html", "content_text"]):
            faults.append(f"{where}: neither content_html nor content_text")
        for key in ["url", "external_url"]:
            if key in item and not ABSOLUTE.fullmatch(str(item[key])):
                faults.append(f"{where}: {key} {item[key]!r} is not absolute")
        for key in ["date_published", "date_modified"]:
            value = item.get(key)
            if value is None:
                continue
            if not isinstance(value, str) or not TIME.fullmatch(value):
                faults.append(f"{where}: {key} {value!r} is no time")
            elif not plausible(utc(time.strptime(value[:19], "%Y-%m-%dT%H:%M:%S"))):
                faults.append(f"{where}: {key} {value} is not plausible")
    return ids, faults


def check(path):
    """The path of a feed, how many entries it has, a hash of their ids, and its faults."""
    ending = path.rpartition(".")[2]
    data = pathlib.Path(path).read_bytes()
    try:
        ids, faults = check_json(data) if ending == "json" else check_xml(data, ending)
    except Exception as err:  # feedparser is no judge of its own faults
        return path, 0, None, [f"{type(err).__name__}: {err}"]
    if ids is None:
        return path, 0, None, faults
    check_ids(ids, faults)
    return path, len(ids), tuple(map(str, ids)), faults


def find(folders):
    for folder in folders:
        for where, _, names in os.walk(folder):
            for name in names:
                if name.rpartition(".")[2] in ("atom", "rss", "json") and name != "names.json":
                    yield os.path.join(where, name)


def main(folders):
    paths = sorted(find(folders))
    if not paths:
        print(f"no feeds in {' '.join(folders)}")
        return 1
    lines = []
    feeds = {}  # path without its ending: {ending: ids}
    files = {"atom": 0, "rss": 0, "json": 0}
    entries = 0
    with multiprocessing.Pool() as pool:
        for path, count, ids, faults in pool.imap_unordered(check, paths, chunksize=64):
            stem, _, ending = path.rpartition(".")
            files[ending] += 1
            entries += count
            lines += [f"{path}: {f}" for f in faults]
            if ids is not None:
                feeds.setdefault(stem, {})[ending] = hash(ids)
    for stem, formats in feeds.items():
        if len(set(formats.values())) > 1:
            lines.append(f"{stem}: {', '.join(sorted(formats))} do not have the same entries in one order")
    for line in sorted(lines)[:SHOWN]:
        print(line)
    if len(lines) > SHOWN:
        print(f"and {len(lines) - SHOWN} more")
    counts = ", ".join(f"{n} {ending}" for ending, n in files.items())
    print(f"as readers take them (feedparser, json): {counts}; {entries} entries; {len(lines)} faults")
    return 1 if lines else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
