"""The Lua scripts that make each step of an approval atomic, as those of session memory are."""

from assistant.memory.scripts import Script

ASK = Script("""
-- KEYS lock meta answer approval asked question, asked of the message that led to it
-- ARGV token or nothing, version, id, record, suspended turn, expiry, ttl (ms)
if redis.call('EXISTS', KEYS[4]) == 1 then
  return redis.call('HGET', KEYS[4], 'token') == ARGV[1] and 1 or 0
end
if ARGV[1] ~= '' then
  if redis.call('EXISTS', KEYS[3]) == 1 then return 0 end
  local holder = redis.call('GET', KEYS[1])
  if holder and holder ~= ARGV[1] then return 0 end
  if not holder and (redis.call('HGET', KEYS[2], 'version') or '0') ~= ARGV[2] then return 0 end
end
redis.call('HSET', KEYS[4], 'token', ARGV[1], 'asked', ARGV[4], 'suspended', ARGV[5],
  'expires', ARGV[6], 'answer', 'waiting')
redis.call('PEXPIRE', KEYS[4], ARGV[7])
redis.call('SET', KEYS[5], ARGV[3], 'PX', ARGV[7])
redis.call('SET', KEYS[7], ARGV[3], 'PX', ARGV[7])
if ARGV[1] ~= '' then
  redis.call('SET', KEYS[6], ARGV[3], 'PX', ARGV[7])
  -- As at every other place, the lock itself is not propagated.
  redis.set_repl(redis.REPL_NONE)
  redis.call('DEL', KEYS[1])
end
return 1
""")

INDEX = Script("""
-- KEYS waiting session; ARGV entry, expiry, hash tag of the session, ttl (ms), now
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', ARGV[5])
redis.call('ZADD', KEYS[1], ARGV[2], ARGV[1])
if redis.call('PTTL', KEYS[1]) < tonumber(ARGV[4]) then
  redis.call('PEXPIRE', KEYS[1], ARGV[4])
end
redis.call('SET', KEYS[2], ARGV[3], 'PX', ARGV[4])
return 1
""")

ANSWER = Script("""
-- KEYS approval, asked of the message that is the word; ARGV answer, by, now, id
local known = redis.call('HMGET', KEYS[1], 'answer', 'expires')
if not known[1] then return {'unknown'} end
if known[1] == 'waiting' then
  if redis.call('HEXISTS', KEYS[1], 'suspended') == 0 then return {'unknown'} end
  if tonumber(ARGV[3]) >= tonumber(known[2]) then return {'expired'} end
  redis.call('HSET', KEYS[1], 'answer', ARGV[1], 'by', ARGV[2], 'at', ARGV[3])
end
-- The message was about this question, and when it comes again it is about no other.
if KEYS[2] then
  redis.call('SET', KEYS[2], ARGV[4], 'PX', math.max(redis.call('PTTL', KEYS[1]), 1))
end
return {'known', unpack(redis.call('HMGET', KEYS[1], 'asked', 'answer', 'at', 'by'))}
""")

CLOSE = Script("""
-- KEYS approval question; ARGV id, record without arguments
if redis.call('GET', KEYS[2]) == ARGV[1] then redis.call('DEL', KEYS[2]) end
if redis.call('EXISTS', KEYS[1]) == 0 then return 0 end
redis.call('HDEL', KEYS[1], 'suspended')
redis.call('HSET', KEYS[1], 'asked', ARGV[2])
return 1
""")
