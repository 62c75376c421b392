"""What is done in Redis, atomically: Lua scripts, each over at most `PORTION` ids.

Keys of the store NAME; TOKEN is a host's, the same as long as its job lives:

    batch:NAME:done, :failed      sets of ids, for everyone to read; what is in doubt is among the failed
    batch:NAME:failed_at          sorted set: id → when it failed, by Redis' clock
    batch:NAME:claims             hash: id → TOKEN of the host that runs it
    batch:NAME:lease:TOKEN        there as long as that host renews it
    batch:NAME:fence              counts the tokens that were given
    batch:NAME:server             run_id of the Redis that has all this
    batch:NAME:grace              as long as it is there nobody claims anything new

A claim counts while the lease of its token is there. Keys of leases are made inside the scripts, so a cluster of
several shards can't run them.
"""

from __future__ import annotations

from typing import Final

PORTION: Final = 1000
"""Ids in one call: other clients wait as long as it takes, about a millisecond."""

KEYS: Final = ("lease", "done", "failed", "failed_at", "claims", "grace", "fence", "server")
"""The keys that every script gets, in this order; the lease is the caller's own."""

_HEAD: Final = """
local lease, done, failed, failed_at, claims, grace = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5], KEYS[6]
local token, leases = ARGV[1], ARGV[2]
local living = {}
local function holder(id)  -- the other host that holds it
    local other = redis.call('HGET', claims, id)
    if not other or other == token then return nil end
    if living[other] == nil then living[other] = redis.call('EXISTS', leases .. other) end
    if living[other] == 1 then return other end
    return nil
end
"""
_OURS: Final = "if redis.call('EXISTS', lease) == 0 then return false end\n"

ENTER: Final = (
    _HEAD
    + """
-- ARGV: server, milliseconds of the lease, '1' if we were here before, ids that we hold
-- returns whether Redis has what it had, whether our lease still stood, and the ids that others took over
local stood = redis.call('EXISTS', lease)
local known = redis.call('GET', KEYS[8])
if known ~= ARGV[3] then
    redis.call('SET', KEYS[8], ARGV[3])
    if known or ARGV[5] == '1' then redis.call('SET', grace, token, 'PX', ARGV[4], 'NX') end
end
redis.call('SET', lease, token, 'PX', ARGV[4])
local taken = {}
for i = 6, #ARGV do
    if redis.call('SISMEMBER', done, ARGV[i]) == 0 then
        if holder(ARGV[i]) then
            taken[#taken + 1] = ARGV[i]
        else
            redis.call('HSET', claims, ARGV[i], token)
        end
    end
end
return {known == ARGV[3] and 1 or 0, stood, taken}
"""
)

LOOK: Final = (
    _HEAD
    + _OURS
    + """
-- ARGV: a time, what failed before it may run again ('': nothing), ids
-- returns a code of `Found` for each id; those that are open are claimed
local waiting = redis.call('EXISTS', grace) == 1
local again = tonumber(ARGV[3])
local found = {}
for i = 4, #ARGV do
    local id, code = ARGV[i], 0
    if redis.call('SISMEMBER', done, id) == 1 then
        code = 1
    elseif redis.call('SISMEMBER', failed, id) == 1 and redis.call('HGET', claims, id) ~= token
        and (not again or tonumber(redis.call('ZSCORE', failed_at, id) or 0) >= again) then
        code = 2
    elseif holder(id) then
        code = 3
    elseif redis.call('HGET', claims, id) ~= token then
        if waiting then code = 3 else redis.call('HSET', claims, id, token) end
    end
    found[i - 3] = code
end
return found
"""
)

RECORD: Final = (
    _HEAD
    + _OURS
    + """
-- ARGV: for each outcome '1' if done, '0' if failed, '2' if in doubt, its time, its id
-- what is in doubt stays claimed: its host may be told to run it again
-- returns the ids whose outcome does not count, since another host holds them
local fenced = {}
for i = 3, #ARGV, 3 do
    local id = ARGV[i + 2]
    if holder(id) then
        fenced[#fenced + 1] = id
    else
        if ARGV[i] == '1' then
            redis.call('SADD', done, id)
            redis.call('SREM', failed, id)
            redis.call('ZREM', failed_at, id)
        elseif redis.call('SISMEMBER', done, id) == 0 then
            redis.call('SADD', failed, id)
            redis.call('ZADD', failed_at, 'GT', ARGV[i + 1], id)
        end
        if ARGV[i] ~= '2' then redis.call('HDEL', claims, id) end
    end
end
return fenced
"""
)

RELEASE: Final = (
    _HEAD
    + """
-- ARGV: ids
for i = 3, #ARGV do
    if redis.call('HGET', claims, ARGV[i]) == token then redis.call('HDEL', claims, ARGV[i]) end
end
return 0
"""
)
