-- with: order place life
-- again(id, fence, counts, max_attempts, words, avoid, call): a claimed job goes back, first in line. If it
-- `counts` as a failure: at MAX_ATTEMPTS it ends, as `words` say; before that, its backend gets it again only
-- after `avoid` milliseconds if another one can do it. Answers 1, or 0 if the claim is void. Safe to repeat.
local id, counts = arg(1), tonumber(arg(3))
although_full()
seen()
if get(id, 'again_by') == arg(7) then return 1 end
if not is_held(id, arg(2)) then return 0 end
redis.call('HSET', job(id), 'again_by', arg(7))
local failures = redis.call('HINCRBY', job(id), 'failures', counts)
if failures >= tonumber(arg(4)) then
  end_job(id, arg(5))
  return 1
end
if counts > 0 then
  redis.call('HSET', job(id), 'avoid', get(id, 'backend'), 'avoid_until', NOW + tonumber(arg(6)))
end
give_back(id)
return 1
