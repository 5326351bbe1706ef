"""The tables of a SQLite store, as docs/station.md shows them. Times are Unix milliseconds."""

from station.store.hours import JOINED

VERSION = 2  # PRAGMA user_version
APPLICATION = 0x4F757470  # PRAGMA application_id: "Outp"

_FIRST = """
create table about (key text primary key, value text not null) without rowid;

create table reading (
    node       text not null,
    boot       integer not null,
    seq        integer not null,
    life       integer not null default 1,
    channel    text not null,
    quantities text not null,
    ts         integer,
    received   integer not null,
    late       integer not null,
    primary key (node, boot, seq, life)
);
create index reading_by_time on reading (node, channel, ts);

create table start (
    node     text not null,
    boot     integer not null,
    life     integer not null,
    whole    integer not null,
    first    integer not null,
    last     integer not null,
    readings integer not null,
    primary key (node, boot, life)
) without rowid;
create index start_again on start (life) where life > 1;

create table node (
    node            text primary key,
    reading_at      integer,
    status          text,
    status_at       integer,
    info            text,
    info_at         integer,
    health          text,
    health_at       integer,
    dropped         integer,
    dropped_here    integer not null default 0,
    superseded      integer,
    superseded_here integer not null default 0,
    gap_told        integer not null default 0
) without rowid;

create table bad (
    id       integer primary key,
    received integer not null,
    topic    text not null,
    why      text not null,
    payload  blob not null,
    bytes    integer not null
);

create table event (
    id   integer primary key,
    at   integer not null,
    kind text not null,
    text text not null
);

create view quantity as
    select node, channel, ts, datetime(ts / 1000, 'unixepoch') as utc, key as quantity,
           value, late, boot, seq, life
    from reading, json_each(reading.quantities)
    where ts is not null and key <> 'error';

create view untimed as
    select node, channel, quantities, boot, seq, life, received from reading where ts is null;

create view gap as
    select node, boot, life, case when whole then 1 else first end as first, last, readings,
           last - case when whole then 1 else first end + 1 - readings as missing
    from start
    where last - case when whole then 1 else first end + 1 > readings;
"""

# Since version 2. `hour` is ts / 3,600,000; `stale` are hours whose row in `hourly` is not up to date, `removed` numbers of readings
# that went by the rule of docs/fleet.md, and rows of `hourly` with removed = 1 stand for these.
_HOURS = f"""
create table hourly (
    node     text not null,
    channel  text not null,
    hour     integer not null,
    quantity text not null,
    removed  integer not null,
    count    integer not null,
    late     integer not null,
    least    real,
    mean     real,
    most     real,
    primary key (node, channel, hour, quantity, removed)
) without rowid;

create table stale (
    node    text not null,
    channel text not null,
    hour    integer not null,
    primary key (node, channel, hour)
) without rowid;
create index stale_by_hour on stale (hour);

create table removed (
    node  text not null,
    boot  integer not null,
    life  integer not null,
    first integer not null,
    last  integer not null,
    primary key (node, boot, life, first)
) without rowid;

create view hour as
    select node, channel, hour * 3600000 as ts, datetime(hour * 3600, 'unixepoch') as utc, quantity,
           {JOINED}
    from hourly group by node, channel, hour, quantity;
"""

TABLES = _FIRST + _HOURS

# What makes a file of version 1 one of version 2: its hours are summed up while the collector is idle.
TO_2 = (
    _HOURS
    + """
insert into stale select distinct node, channel, ts / 3600000 from reading where ts is not null;
"""
)
