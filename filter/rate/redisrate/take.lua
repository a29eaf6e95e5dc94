-- One decision of a rate limit, as package rate makes it, on the server's clock.
-- KEYS[1]  the times of the requests that count, the oldest first, microseconds
-- KEYS[2]  GCRA's theoretical arrival time, where there is a burst: "µs:limit-ths"
-- ARGV     limit, quota (limit and burst), window in microseconds
-- returns  allowed (1 or 0), remaining, microseconds until there is more
local limit, quota, window = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]

-- After a failover the new server's clock may be behind: time does not run back.
local newest = tonumber(redis.call('LINDEX', KEYS[1], -1) or 0)
if newest > now then
  now = newest
end

-- What has left the window goes: the first one that has not is found by halving,
-- for a long list must not hold up the server.
local count = redis.call('LLEN', KEYS[1])
local function at(i)
  return tonumber(redis.call('LINDEX', KEYS[1], i))
end
if count > 0 and at(0) + window <= now then
  local low, high = 1, count
  while low < high do
    local middle = math.floor((low + high) / 2)
    if at(middle) + window <= now then
      low = middle + 1
    else
      high = middle
    end
  end
  redis.call('LTRIM', KEYS[1], low, -1)
  count = count - low
end

-- GCRA: how far the arrival time is ahead, in limit-ths of a microsecond.
local burst = quota > limit
local whole, part = now, 0
if burst then
  local tat = redis.call('GET', KEYS[2])
  if tat then
    local w, p = string.match(tat, '^(%d+):(%d+)$')
    if tonumber(w) >= now then
      whole, part = tonumber(w), tonumber(p)
    end
  end
end

local function conforming()
  if not burst then
    return quota, 0
  end
  local ahead = (whole - now) * limit + part
  local n = math.max(0, math.floor((quota * window - ahead) / window))
  local wait = 0
  if n < quota then
    wait = math.ceil(((n + 1 - quota) * window + ahead) / limit)
  end
  return n, wait
end

local function left()
  local remaining, more = quota - count, 0
  if count > 0 then
    more = at(0) + window - now
  end
  local n, wait = conforming()
  if n < remaining then
    return n, wait
  elseif n == remaining and n < quota then
    return n, math.max(more, wait)
  end
  return math.max(0, remaining), more
end

local remaining, more = left()
if remaining < 1 then
  return { 0, 0, math.max(1, more) }
end
redis.call('RPUSH', KEYS[1], string.format('%.0f', now))
redis.call('PEXPIRE', KEYS[1], math.ceil(window / 1000) + 1)
count = count + 1
if burst then
  part = part + window % limit
  whole = whole + math.floor(window / limit) + math.floor(part / limit)
  part = part % limit
  redis.call('SET', KEYS[2], string.format('%.0f:%.0f', whole, part), 'PX', math.ceil((whole - now) / 1000) + 1)
end
remaining, more = left()
return { 1, remaining, more }
