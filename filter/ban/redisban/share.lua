-- Takes over bans, and what was lifted, from a machine. Of one range, what
-- happened last counts.
-- KEYS  1 range -> "from|until|ban", milliseconds; a lifted one has no ban
--       2 ranges by the number of their last change
--       3 the number of the last change
--       4 ranges by their end
--       5 when all this began: another value says that the server has lost it once
-- ARGV  now in milliseconds, then range, from, until, ban for each
-- returns the number of changes
local now, changed = tonumber(ARGV[1]), 0
local time = redis.call('TIME')
redis.call('SET', KEYS[5], time[1] .. '.' .. time[2], 'NX')

-- What has ended goes, some at a time.
local ended = redis.call('ZRANGEBYSCORE', KEYS[4], '-inf', now, 'LIMIT', 0, 200)
if #ended > 0 then
  redis.call('HDEL', KEYS[1], unpack(ended))
  redis.call('ZREM', KEYS[2], unpack(ended))
  redis.call('ZREM', KEYS[4], unpack(ended))
end

for i = 2, #ARGV, 4 do
  local range, from, till, ban = ARGV[i], ARGV[i + 1], ARGV[i + 2], ARGV[i + 3]
  local known = redis.call('HGET', KEYS[1], range)
  if tonumber(till) > now and (not known or tonumber(string.match(known, '^%d+')) < tonumber(from)) then
    redis.call('HSET', KEYS[1], range, from .. '|' .. till .. '|' .. ban)
    redis.call('ZADD', KEYS[2], redis.call('INCR', KEYS[3]), range)
    redis.call('ZADD', KEYS[4], till, range)
    changed = changed + 1
  end
end

-- Everything is gone when the last ban has ended.
local last = redis.call('ZREVRANGE', KEYS[4], 0, 0, 'WITHSCORES')
if last[2] then
  local left = math.max(1000, tonumber(last[2]) - now)
  for i = 1, #KEYS do
    redis.call('PEXPIRE', KEYS[i], string.format('%.0f', left))
  end
end
return { changed }
