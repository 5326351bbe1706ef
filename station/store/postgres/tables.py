"""The tables of a PostgreSQL store, in the schema `outpost`, as docs/station.md shows them.

Readings without a time have a table of their own: TimescaleDB divides `reading` by `ts`, which then must not be null and must be in
every unique index. So there, and only there, two rows of `reading` may have one number and two times; placing.py sees to it
that they do not, with one writer at a time.
"""

VERSION = "1"
SCHEMA = "outpost"
_CHUNK = "7 days"

_COLUMNS = """
    node       text not null,
    boot       bigint not null,
    seq        bigint not null,
    life       integer not null default 1,
    channel    text not null,
    quantities jsonb not null,
    received   timestamptz not null,
    late       boolean not null
"""

TABLES = f"""
create table about (key text primary key, value text not null);

create table reading ({_COLUMNS}, ts timestamptz not null);
create index reading_by_time on reading (node, channel, ts);
-- So that what has come last is found; readings are stored as they come, so that a word on each range of pages is enough.
create index reading_by_arrival on reading using brin (received) with (autosummarize = on);
create table untimed ({_COLUMNS}, primary key (node, boot, seq, life));

create table start (
    node     text not null,
    boot     bigint not null,
    life     integer not null,
    whole    boolean not null,
    first    bigint not null,
    last     bigint not null,
    readings bigint not null,
    primary key (node, boot, life)
);

create table node (
    node            text primary key,
    reading_at      timestamptz,
    status          text,
    status_at       timestamptz,
    info            jsonb,
    info_at         timestamptz,
    health          jsonb,
    health_at       timestamptz,
    dropped         bigint,
    dropped_here    bigint not null default 0,
    superseded      bigint,
    superseded_here bigint not null default 0,
    gap_told        bigint not null default 0
);

create table bad (
    id       bigint generated always as identity primary key,
    received timestamptz not null,
    topic    text not null,
    why      text not null,
    payload  bytea not null,
    bytes    integer not null
);

create table event (
    id   bigint generated always as identity primary key,
    at   timestamptz not null default now(),
    kind text not null,
    text text not null
);

create view quantity as
    select node, channel, ts, key as quantity,
           case jsonb_typeof(value)
               when 'number' then (value #>> '{{}}')::double precision
               when 'boolean' then (value::boolean)::integer::double precision
           end as value,
           case when jsonb_typeof(value) = 'string' then value #>> '{{}}' end as text,
           late, boot, seq, life
    from reading, jsonb_each(quantities)
    where key <> 'error';

create view gap as
    select node, boot, life, case when whole then 1 else first end as first, last, readings,
           last - case when whole then 1 else first end + 1 - readings as missing
    from start
    where last - case when whole then 1 else first end + 1 > readings;
"""

PLAIN = "alter table reading add primary key (node, boot, seq, life)"
HYPERTABLE = f"""
select create_hypertable(
    '{SCHEMA}.reading', 'ts', chunk_time_interval => interval '{_CHUNK}', create_default_indexes => false
);
alter table reading add primary key (node, boot, seq, life, ts)
"""
