-- with: order place life
-- linger(id): its pictures are on their way to somebody whose line is slow, and stay for a while. Safe to repeat.
local id = arg(1)
although_full()
for _, key in ipairs({'brief', 'gone'}) do redis.call('ZADD', P .. key, 'XX', 'GT', NOW + BRIEF, id) end
if get(id, 'state') == 'expired' then let_pictures_lapse(id, BRIEF) end
