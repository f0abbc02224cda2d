# For walk.sh: of each section of OPERATION.md the trouble (before_*), and what
# its blocks of commands must have done to it (after_*_NUMBER).
# shellcheck shell=bash disable=SC2016,SC2154,SC2317

# --- have a look -------------------------------------------------------------

before_have_a_look() {
	stage start
	paid 201 order-17
}

after_have_a_look_1() {
	says '0 problem(s)'
	says 'stored                1'
	says ' store=well locked=0 held=0 pending=0 stored=1 '
	says 'ready'
}

# --- upgrade -----------------------------------------------------------------

before_upgrade() {
	stage start
	paid 201 order-17
}

after_upgrade_1() {
	says '1 record(s) exported'
	(($(grep -c event=started "$STAGE/agent.log") == 2)) || die "not restarted"
	stage answers
	paid '201 true' order-17
}

# --- fail-over ---------------------------------------------------------------

before_fail_over() {
	stage edit agent.ini -e 's,^path = .*,driver = redis,' \
		-e '$a [redis]' -e "\$a servers = unix:$STAGE/redis.sock" \
		-e '$a timeout = 30s'
	sed -e 's,spop.sock,spop2.sock,' -e 's,admin.sock,admin2.sock,' \
		"$STAGE/agent.ini" >"$STAGE/agent2.ini"
	stage edit haproxy/haproxy.cfg \
		-e '/server agent1/a server agent2 "unix@$STAGE/spop2.sock" check inter 100' \
		-e '/server agent1/a balance roundrobin' \
		-e '/server agent1/s/"$/" check inter 100/'
	stage start redis agent agent2 upstream haproxy
	stage curl -o "$STAGE/first" -d x -H 'Idempotency-Key: order-17' \
		-H 'X-Gate: g' api:/payments &
	stage waiting 1 g
}

# Began through one, ends through the other, whichever it was.
after_fail_over_1() {
	becomes 201 order-18
	stage open g
	becomes '201 true' order-17
	wait
	stage count 1 order-17
}

# --- back up, restore ---------------------------------------------------------

before_back_up() {
	stage start
	paid 201 order-17
}

after_back_up_1() {
	mkdir "$STAGE/look"
	cp "$STAGE/backups/data.mdb" "$STAGE/look"
	sed "s,^path = .*,path = $STAGE/look," "$STAGE/agent.ini" \
		>"$STAGE/look.ini"
	agent -c "$STAGE/look.ini" show order-17 | grep -q 'status *201' ||
		die "the copy has no order-17"
}

after_back_up_2() {
	says '1 record(s) exported'
	[[ -s $STAGE/backups/records ]]
}

# A store that is damaged: the agent says so and does not start.
before_restore_a_copy() {
	stage start
	paid 201 order-17
	mdb_copy "$STAGE/store" "$STAGE/backups"
	stage kill agent
	echo 'this is no store' >"$STAGE/store/data.mdb"
	if agent -c "$STAGE/agent.ini" >"$out" 2>&1; then
		die "the agent takes what is no store"
	fi
	says 'event=start-failed'
}

after_restore_a_copy_1() {
	says '0 problem(s)'
	stage answers
	paid '201 true' order-17
	stage count 1 order-17
}

before_restore_an_export() {
	stage start
	paid 201 order-17
	spoa-idempotency export "$STAGE/backups/records"
	stage stop agent
	rm -rf "$STAGE/store"
	stage start agent
	stage answers
}

after_restore_an_export_1() {
	says '1 record(s) added'
	paid '201 true' order-17
	stage count 1 order-17
}

# --- encryption --------------------------------------------------------------

encrypts() {
	(umask 077 && echo "2026-01:$(openssl rand -hex 32)" >"$STAGE/etc/keys")
	printf '[encryption]\nkey-file = %s/etc/keys\n' "$STAGE" \
		>>"$STAGE/agent.ini"
}

before_change_the_encryption_key() {
	encrypts
	stage start
	paid 201 order-17
}

after_change_the_encryption_key_1() {
	paid '201 true' order-17
	paid 201 order-18
	spoa-idempotency show order-18 | grep -q 'with key 2026-01' ||
		die "the new key encrypts too early"
}

after_change_the_encryption_key_2() {
	says 'responses are encrypted, 2 key(s)'
	says '0 problem(s)'
	paid '201 true' order-17
	paid '201 true' order-18
	paid 201 order-19
	spoa-idempotency show order-19 | grep -q 'with key 2027-01' ||
		die "the new key does not encrypt"
	[[ ! -e $STAGE/etc/keys.new ]]
}

before_an_encryption_key_is_lost() {
	encrypts
	stage start
	paid 201 order-17
	mv "$STAGE/etc/keys" "$STAGE/etc/keys.old"
	(umask 077 && echo "2027-01:$(openssl rand -hex 32)" >"$STAGE/etc/keys")
	systemctl reload spoa-idempotency
	becomes 409 order-17
	grep -q '#unknown' "$STAGE/body" || die "it is not unknown"
}

after_an_encryption_key_is_lost_1() {
	says 'responses cannot be replayed'
	says 'with key 2026-01'
}

after_an_encryption_key_is_lost_2() {
	says '0 problem(s)'
	becomes '201 true' order-17
	stage count 1 order-17
}

# README.md
before_encryption_at_rest() {
	stage start agent
	stage stop agent
}

after_encryption_at_rest_1() {
	printf '[encryption]\nkey-file = %s/etc/keys\n' "$STAGE" \
		>>"$STAGE/agent.ini"
	stage start
	paid 201 order-17
	spoa-idempotency show order-17 | grep -q 'with key 2026-01' ||
		die "it is not encrypted"
	[[ $(stat -c %a "$STAGE/etc/keys") == 600 ]]
}

# --- a key is stuck ----------------------------------------------------------

# Requests whose server died, and locks that are over.
before_a_key_is_stuck() {
	stage edit agent.ini -e 's/^answer-timeout = .*/answer-timeout = 2s/'
	stage edit agent.ini \
		-e '/^\[policy pay\]/,/^lock-ttl/s/^lock-ttl.*/lock-ttl = 3s/' \
		-e '/^\[policy pay\]/a on-lock-expiry = hold'
	stage start
	paid 502 order-17 -H 'X-Close: 1'
	paid 502 order-18 -H 'X-Close: 1'
	stage wait 'test $(spoa-idempotency list --state held | grep -c order-) = 2'
}

after_a_key_is_stuck_1() {
	says 'order-18'
	says 'state        held'
	says 'key          order-17'
	paid 409 order-17
	grep -q '#unknown' "$STAGE/body"
}

after_a_key_is_stuck_2() {
	says released
	paid 201 order-17
	stage count 2 order-17
}

after_a_key_is_stuck_3() {
	says sealed
	paid 409 order-18
	grep -q '#unknown' "$STAGE/body"
	stage count 1 order-18
	! spoa-idempotency list --state held | grep order- ||
		die "there are held ones left"
}

# --- the store is down --------------------------------------------------------

before_the_store_is_down() {
	stage edit agent.ini -e 's,^path = .*,driver = redis,' \
		-e '$a [redis]' -e "\$a servers = unix:$STAGE/redis.sock" \
		-e '$a timeout = 1s'
	stage start redis agent upstream haproxy
	paid 201 order-17
	stage kill redis
	becomes 503 order-18
}

after_the_store_is_down_1() {
	says 'store'
	says 'event=store-down'
	says 'Redis does not answer'
	paid 503 order-19
	stage count 0 order-19
}

after_the_store_is_down_2() {
	becomes 201 order-20
	stage kill redis
	becomes 503 order-21
}

after_the_store_is_down_3() {
	paid 201 order-22
	paid 201 order-22
	stage count 2 order-22
}

after_the_store_is_down_4() {
	paid 503 order-23
	stage count 0 order-23
}

# --- the disk is full ----------------------------------------------------------

before_the_disk_is_full() {
	local i is
	stage edit agent.ini -e '/^path = /a max-size = 1M'
	stage start
	paid 201 order-17
	for ((i = 0; i < 1000; i++)); do
		is=$(pay "filler-$i" -H 'X-Size: 6000')
		[[ $is == 201 ]] || break
	done
	[[ $is == 503 ]] || die "it is never full"
	paid '201 true' order-17
}

after_the_disk_is_full_1() {
	says 'the store uses'
	says 'Filesystem'
}

after_the_disk_is_full_2() {
	says 'the configuration is valid'
	stage answers
	paid 201 order-18
	paid '201 true' order-17
}

# --- the clock is wrong ---------------------------------------------------------

# What an agent left behind whose clock was a day ahead.
before_the_clock_is_wrong() {
	stage start
	paid 502 order-17 -H 'X-Close: 1'
	spoa-idempotency export "$STAGE/now"
	spoa-idempotency forget order-17 --yes
	python3 "$here/tomorrow.py" <"$STAGE/now" >"$STAGE/tomorrow"
	spoa-idempotency import "$STAGE/tomorrow"
	paid 409 order-17
}

after_the_clock_is_wrong_1() {
	says 'records were made later than the clock says it is (1)'
	says 'order-17'
	stage answers
	paid 409 order-17
}

after_the_clock_is_wrong_2() {
	paid 201 order-17
}
