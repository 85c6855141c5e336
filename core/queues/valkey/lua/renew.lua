-- renew(id, fence): keep a lease. Answers what the watchers wish (2 progress, 4 previews), -1 if the claim is void.
-- Safe to repeat.
although_full()
seen()
if not is_held(arg(1), arg(2)) then return -1 end
redis.call('ZADD', P .. 'run', NOW + LEASE, arg(1))
return wish(arg(1))
