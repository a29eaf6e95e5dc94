-- What has changed since a machine asked last.
-- KEYS  as in share.lua
-- ARGV  when it all began and the number of the last change, as the machine knows
--         them, and the most to return
-- returns when it began, the number of the last change returned, and then range and
--         "from|until|ban" for each: from the first on, if it began another time
local began = redis.call('GET', KEYS[5]) or ''
local since, most = ARGV[2], tonumber(ARGV[3])
if began ~= ARGV[1] then
  since = '0'
end
local ranges = redis.call('ZRANGEBYSCORE', KEYS[2], '(' .. since, '+inf', 'WITHSCORES', 'LIMIT', 0, most)
local result = { began, ranges[#ranges] or since }
for i = 1, #ranges, 2 do
  result[#result + 1] = ranges[i]
  result[#result + 1] = redis.call('HGET', KEYS[1], ranges[i]) or ''
end
return result
