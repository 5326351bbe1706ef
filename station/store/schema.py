"""The tables of a SQLite store, as docs/station.md shows them. Times are Unix milliseconds."""

VERSION = 1  # PRAGMA user_version
APPLICATION = 0x4F757470  # PRAGMA application_id: "Outp"

TABLES = """
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
