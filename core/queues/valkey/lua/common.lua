-- What the scripts share; the loader puts it before each of them.
--
-- KEYS[1] is the prefix of all keys, with its hash tag. ARGV begins with four settings: milliseconds to add to
-- the server's clock (0; tests let time pass with it), LEASE_TTL and RESULT_TTL in milliseconds,
-- RESULT_MAX_BYTES. A script's own arguments come behind them: arg(1), arg(2), ...
--
--   s           hash   V, arrivals, returns (so many so far), claims (the last fence), version, seen, waiting,
--                      ordered (of those that wait, those in a line), kept_bytes; secret, deployment (agreed words)
--   j:ID        hash   a job: request, caller, keep, kind, cost, state, its place, its claim, its end; `last`: what was
--                      told last of it while it runs; `preview`: that with its preview; said:PROCESS: the number of
--                      what that one said last of what it watches
--   l:KIND      zset   a line: jobs of one kind by start; a member says turn, arrival, cost and id. Where turns were
--                      taken (turns.lua): start (in the job `at`) and turn are right behind those of another one;
--                      `due` is by how much newcomers may still go before it, `passed` those that have it less by this
--   kinds       hash   the kinds that wait, each with its cost in all
--   passed:KIND list   jobs that were preferred to one in this line: "start member arrivals-until-then"
--   c:CALLER    zset   a caller's waiting jobs by arrival
--   share       hash   "finish floor turn" of each caller whose finish is above V; finish: zset of the same
--   away        zset   those of them none of whose jobs waits, by their finish
--   waits, runs hash   waiting and running jobs of each caller, counted
--   returned    set    the kinds of jobs that came back from a backend; b:KIND: zset of those jobs, in the order of all
--   run         zset   running jobs by the end of their lease; on: hash of "backend started cost"
--   tokens      hash   claims by the name that the worker gave to the call; withdrawn:TOKEN: calls that get none
--   w:ID        hash   the processes that watch a job, each with what it wants; pw:PROCESS: set of the same
--   processes   zset   front ends and workers by the time at which they count as dead
--   unwatched   zset   waiting jobs that nobody watches or keeps, since when
--   kept, brief, gone  zset  ended jobs by the time at which they expire, are dropped, are forgotten
--   o:BACKEND   hash   an offer; om:, os: sets of its models and samplers; offers: zset by their end
--   idle        hash   backends that wait for a job, and the process to wake
--   woken       hash   backends that were woken, and the kind of job that is for them
--   owner, own  hash, zset   who owns a backend, and until when
--   workers     zset   workers by the time at which they count as dead; wants:WORKER: set of backends
--   lapsed      hash   backends whose lease has ended, since when, until somebody takes them
--   i:ID:FENCE:N       pictures, base64 as they came
--   once:NAME, lease:NAME    who was the first to claim a name, and who holds one (core/coordination)
--   value:KIND:NAME    a value of the same; values:KIND: zset of a kind's names by their end

local P, LEASE, RESULT_TTL, RESULT_MAX = KEYS[1], tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4])
local S, clock = P .. 's', redis.call('TIME')
local NOW = tonumber(clock[1]) * 1000 + math.floor(tonumber(clock[2]) / 1000) + tonumber(ARGV[1])
local BRIEF, HOUR, RECORD, LOOK, OFFER = 60000, 3600000, 2048, 2000, 15000
-- Milliseconds without any call, after which nobody can have renewed a lease. Every lease that is renewed in time
-- (each third of LEASE) has more than this left: so the gap is noticed before one of them ends.
local GAP = math.min(2000, LEASE / 2)
-- What lapses unless it is renewed, and for how long it is at most.
local RENEWED = {run = LEASE, own = LEASE, workers = LEASE, processes = OFFER, offers = OFFER}

local function arg(number) return ARGV[4 + number] end
local ARGS = #ARGV - 4
local function exact(number) return string.format('%.17g', number) end
local function job(id) return P .. 'j:' .. id end
local function picture(id, fence, number) return P .. 'i:' .. id .. ':' .. fence .. ':' .. number end
local function get(id, ...) return unpack(redis.call('HMGET', job(id), ...)) end
local function state_of(field) return tonumber(redis.call('HGET', S, field) or 0) end
local function changed() return redis.call('HINCRBY', S, 'version', 1) end

local function count(key, field, by)
  if redis.call('HINCRBY', P .. key, field, by) <= 0 then redis.call('HDEL', P .. key, field) end
end

-- One more job of this caller waits, or (-1) one less.
local function count_waiting(caller, by)
  redis.call('HINCRBY', S, 'waiting', by)
  count('waits', caller, by)
end

-- Of a member of a line.
local function cost_of(member) return tonumber(member:match('^(%S+) ', 31)) end
local function id_of(member) return member:match('^%S+ (.*)$', 31) end

-- Whether one job stands before another, each by its start and member.
local function before(one, other)
  return one.start < other.start or (one.start == other.start and one.member < other.member)
end

-- Where its memory is full, Valkey refuses a script whose first write may need some. What lets go of things, and what
-- keeps leases and offers meanwhile, begins with a write that needs none.
local function although_full() redis.call('DEL', P .. 'nothing') end

-- Move the ends in a zset: with 'LT' none is later than this time any more, with 'GT' none sooner.
local function move_ends(key, how, time)
  for _, member in ipairs(redis.call('ZRANGE', P .. key, 0, -1)) do
    redis.call('ZADD', P .. key, how, time, member)
  end
end

-- Somebody is here.
local function seen()
  local last = tonumber(redis.call('HGET', S, 'seen') or NOW)
  redis.call('HSET', S, 'seen', NOW)
  if last - NOW > GAP then
    -- The clock went back, as a replica's may that took over. The dead must not live for that much longer.
    for key, longest in pairs(RENEWED) do move_ends(key, 'LT', NOW + longest) end
  elseif NOW - last > GAP then
    -- While nobody was here, no lease could be renewed, no offer said again, and no result fetched: each
    -- begins anew.
    for key in pairs(RENEWED) do move_ends(key, 'GT', NOW + LEASE) end
    move_ends('brief', 'GT', NOW + BRIEF)
  end
end

-- One message to a process, as Message in records.py reads it. Answers how many heard it.
local function send(process, letter, id, version, words)
  return redis.call('PUBLISH', P .. 'p:' .. process, letter .. '\n' .. id .. '\n' .. version .. '\n' .. words)
end

-- Tell the processes that watch a job. What is lost on the way they find by the version.
local function tell(id, version, letter, words)
  for _, process in ipairs(redis.call('HKEYS', P .. 'w:' .. id)) do
    send(process, letter, id, version, words)
  end
end

-- What the watchers want: 2 progress, 4 previews. A look at a running job counts for LOOK milliseconds, also if it
-- was over at once: who asks again and again watches, too.
local function wish(id)
  local looked, flags = get(id, 'looked', 'looked_for')
  local all = looked and NOW - tonumber(looked) < LOOK and tonumber(flags) or 0
  for _, flags in ipairs(redis.call('HVALS', P .. 'w:' .. id)) do all = bit.bor(all, tonumber(flags)) end
  return all
end

-- Let the worker that holds a job look at what is wanted of it.
local function wish_changed(id)
  local state, process = get(id, 'state', 'process')
  if state == 'running' then send(process, 'W', id, 0, '') end
end

-- Whether a job in this state has not ended.
local function lives(state) return state == 'waiting' or state == 'back' or state == 'running' end

-- Whether a claim is not void.
local function is_held(id, fence)
  local state, current = get(id, 'state', 'fence')
  return state == 'running' and current == fence
end

-- Whether a process has said nothing later of what it watches of a job that lives. It numbers what it says: a call that
-- was cut off may run late, when another one has been heard. Only new work is refused where memory is full.
local function is_last_word(id, process, number)
  although_full()
  local last = get(id, 'said:' .. process)
  if last and tonumber(last) > tonumber(number) then return false end
  redis.call('HSET', job(id), 'said:' .. process, number)
  return true
end

-- A process hears of a job from now on, and wants so much of it.
local function note_watched(id, process, flags)
  redis.call('HSET', P .. 'w:' .. id, process, flags)
  redis.call('SADD', P .. 'pw:' .. process, id)
  redis.call('ZREM', P .. 'unwatched', id)
end

local function note_unwatched(id)
  local state, keep = get(id, 'state', 'keep')
  if (state == 'waiting' or state == 'back') and keep == '0' and redis.call('EXISTS', P .. 'w:' .. id) == 0 then
    redis.call('ZADD', P .. 'unwatched', 'NX', NOW, id)
  end
end

-- What a backend offers, asked once for each name: there may be as many kinds as models times samplers.
local offered = {}
local function offers_name(key, name)
  local names = offered[key]
  if not names then
    names = {}
    offered[key] = names
  end
  if names[name] == nil then names[name] = redis.call('SISMEMBER', key, name) == 1 end
  return names[name]
end

-- Whether a backend can do a kind, which is "model\nsampler"; empty means that anything will do.
local function accepts(backend, kind)
  local model, sampler = kind:match('^(.-)\n(.*)$')
  if model ~= '' and not offers_name(P .. 'om:' .. backend, model) then return false end
  if sampler == '' or offers_name(P .. 'os:' .. backend, sampler) then return true end
  return redis.call('EXISTS', P .. 'os:' .. backend) == 0
end

-- Backends whose offer has not lapsed.
local function offering() return redis.call('ZRANGEBYSCORE', P .. 'offers', '(' .. NOW, '+inf') end

local function offers_now(backend) return tonumber(redis.call('ZSCORE', P .. 'offers', backend) or 0) > NOW end

-- Their offers, in the words in which these came.
local function all_offers()
  local words = {}
  for number, backend in ipairs(offering()) do words[number] = redis.call('HGET', P .. 'o:' .. backend, 'words') end
  return words
end

-- Backends that paint, or will in a moment.
local function takers()
  local found = {}
  for _, backend in ipairs(offering()) do
    local able, rests = unpack(redis.call('HMGET', P .. 'o:' .. backend, 'usable', 'resting'))
    if able == '1' or rests == '1' then found[#found + 1] = backend end
  end
  return found
end

-- Wake one idle backend for a job: one that has its model loaded, then the fastest. One that hears nothing
-- any more is passed over. `avoid` comes last: where others can do the job, it may not get it yet.
local function wake(kind, avoid)
  local model, idle = kind:match('^(.-)\n'), {}
  for _, backend in ipairs(offering()) do
    local process = redis.call('HGET', P .. 'idle', backend)
    local able, loaded, pace = unpack(redis.call('HMGET', P .. 'o:' .. backend, 'usable', 'loaded', 'pace'))
    if process and able == '1' and accepts(backend, kind) then
      local fits = model == '' or model == loaded
      local rank = backend == avoid and 2 or fits and 0 or 1
      idle[#idle + 1] = {backend, process, rank, tonumber(pace) or math.huge}
    end
  end
  table.sort(idle, function(a, b) return a[3] < b[3] or (a[3] == b[3] and a[4] < b[4]) end)
  for _, one in ipairs(idle) do
    redis.call('HDEL', P .. 'idle', one[1])
    if send(one[2], 'B', one[1], 0, '') > 0 then
      redis.call('HSET', P .. 'woken', one[1], kind)
      return
    end
  end
end
