-- with: order place life
-- cancel(id, caller, words, call): end a job that waits or runs, as `words` say.
-- Answers `done`, `ended` (before), `forbidden` (another caller's), `none`, `expired`. `call` names this call:
-- made again because its answer was lost, it answers `done` again.
local id = arg(1)
local state, caller, keep, by = get(id, 'state', 'caller', 'keep', 'ended_by')
if state and by == arg(4) then return 'done' end
if not state or (state == 'ended' and keep == '0') then return 'none' end
if state == 'expired' then return 'expired' end
if caller ~= arg(2) then return 'forbidden' end
if state == 'ended' then return 'ended' end
end_job(id, arg(3))
redis.call('HSET', job(id), 'ended_by', arg(4))
return 'done'
