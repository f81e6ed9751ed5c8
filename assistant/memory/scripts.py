"""The Lua scripts that make each operation of session memory one atomic step.

Every key of a script carries the same hash tag, and only commands of Redis 7.0 are used, so they
run alike on Redis, Valkey and a cluster. Each script may run twice under the same token without
a second effect: a client whose connection broke does not know whether the first run happened.
"""

import hashlib
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Script:
    """Lua source and the SHA-1 by which the server caches it."""

    source: str
    sha: str = field(init=False)

    def __post_init__(self) -> None:
        sha = hashlib.sha1(self.source.encode(), usedforsecurity=False).hexdigest()
        object.__setattr__(self, "sha", sha)


# The lock is not propagated to the append-only file and replicas: taking it would cost a disk
# sync otherwise. A restarted server has therefore no locks, so a lease whose lock is simply gone
# stays good for as long as no other turn was committed, which the version shows.

OPEN = Script("""
-- KEYS lock meta history answer placeholders; ARGV token, lock ttl (ms), messages
local answer = redis.call('GET', KEYS[4])
if answer then return {'answered', answer} end
local holder = redis.call('GET', KEYS[1])
if holder and holder ~= ARGV[1] then return {'busy'} end
redis.set_repl(redis.REPL_NONE)
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
local version = redis.call('HGET', KEYS[2], 'version') or '0'
local history = redis.call('LRANGE', KEYS[3], -tonumber(ARGV[3]), -1)
-- One JSON array instead of a reply of many parts, which clients read far more slowly.
local placeholders = redis.call('GET', KEYS[5]) or ''
return {'opened', version, '[' .. table.concat(history, ',') .. ']', placeholders}
""")

RENEW = Script("""
-- KEYS lock meta; ARGV token, version, lock ttl (ms)
local holder = redis.call('GET', KEYS[1])
if holder and holder ~= ARGV[1] then return 0 end
if not holder and (redis.call('HGET', KEYS[2], 'version') or '0') ~= ARGV[2] then return 0 end
redis.set_repl(redis.REPL_NONE)
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[3])
return 1
""")

RELEASE = Script("""
-- KEYS lock; ARGV token
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
redis.set_repl(redis.REPL_NONE)
return redis.call('DEL', KEYS[1])
""")

COMMIT = Script("""
-- KEYS lock meta history answer quarantine placeholders question, answer of another turn
-- ARGV token, version, answer, answer ttl (ms), session ttl (ms), quarantine ttl (ms), messages,
--      placeholders or nothing, number of remembered, remembered..., quarantined...
local mark = ARGV[1] .. ' '
local answer = redis.call('GET', KEYS[4])
if answer then return string.sub(answer, 1, #mark) == mark and 1 or 0 end
local holder = redis.call('GET', KEYS[1])
if holder and holder ~= ARGV[1] then return 0 end
if not holder and (redis.call('HGET', KEYS[2], 'version') or '0') ~= ARGV[2] then return 0 end
local last = 9 + tonumber(ARGV[9])
for i = 10, last do redis.call('RPUSH', KEYS[3], ARGV[i]) end
for i = last + 1, #ARGV do redis.call('RPUSH', KEYS[5], ARGV[i]) end
redis.call('LTRIM', KEYS[3], -tonumber(ARGV[7]), -1)
redis.call('HINCRBY', KEYS[2], 'version', 1)
redis.call('PEXPIRE', KEYS[2], ARGV[5])
redis.call('PEXPIRE', KEYS[3], ARGV[5])
if ARGV[8] ~= '' then redis.call('SET', KEYS[6], ARGV[8]) end
redis.call('PEXPIRE', KEYS[6], ARGV[5])
if last < #ARGV then
  redis.call('LTRIM', KEYS[5], -tonumber(ARGV[7]), -1)
  redis.call('PEXPIRE', KEYS[5], ARGV[6])
end
redis.call('DEL', KEYS[7])
redis.call('SET', KEYS[4], mark .. ARGV[3], 'PX', ARGV[4])
redis.call('SET', KEYS[8], mark .. ARGV[3], 'PX', ARGV[4])
redis.set_repl(redis.REPL_NONE)
redis.call('DEL', KEYS[1])
return 1
""")
