#include "agent/store/redis_script.h"

#include <assert.h>
#include <openssl/evp.h>
#include <string.h>

#include "agent/core/hex.h"
#include "agent/core/record.h"

/* Lua counts from 1; these are the head's fields in agent/core/record.h. */
_Static_assert(RECORD_VERSION == 1 && RECORD_HEAD_MAX == 104 + 255,
               "the scripts know where a record's fields are");

/* Answers when `v` is not the owner's to settle; ARGV[1] is the owner, ARGV[2]
 * the state it must be in: one byte, nothing for one that its owner may settle,
 * or `any`. */
#define CHECK                                                    \
	"local v=redis.call('GET',KEYS[1])\n"                    \
	"if not v then return 0 end\n"                           \
	"local version,state,_,k=string.byte(v,1,4)\n"           \
	"if version and version>1 then return 2 end\n"           \
	"if version~=1 or not k or #v<104+k then return 3 end\n" \
	"if string.sub(v,81,96)~=ARGV[1] then return 0 end\n"    \
	"if ARGV[2]~='any' and state~=1 and state~=3\n"          \
	" or #ARGV[2]==1 and ARGV[2]~=string.char(state) then\n" \
	" return 0\n"                                            \
	"end\n"

/* CRC-32C of a byte, reflected. */
#define CRC_TABLE                                                 \
	"0,4067132163,3778769143,324072436,3348797215,904991772," \
	"648144872,3570033899,2329499855,2024987596,1809983544,"  \
	"2575936315,1296289744,3207089363,2893594407,1578318884," \
	"274646895,3795141740,4049975192,51262619,3619967088,"    \
	"632279923,922689671,3298075524,2592579488,1760304291,"   \
	"2075979607,2312596564,1562183871,2943781820,3156637768," \
	"1313733451,549293790,3537243613,3246849577,871202090,"   \
	"3878099393,357341890,102525238,4101499445,2858735121,"   \
	"1477399826,1264559846,3107202533,1845379342,2677391885," \
	"2361733625,2125378298,820201905,3263744690,3520608582,"  \
	"598981189,4151959214,85089709,373468761,3827903834,"     \
	"3124367742,1213305469,1526817161,2842354314,2107672161," \
	"2412447074,2627466902,1861252501,1098587580,3004210879," \
	"2688576843,1378610760,2262928035,1955203488,1742404180," \
	"2511436119,3416409459,969524848,714683780,3639785095,"   \
	"205050476,4266873199,3976438427,526918040,1361435347,"   \
	"2739821008,2954799652,1114974503,2529119692,1691668175," \
	"2005155131,2247081528,3690758684,697762079,986182379,"   \
	"3366744552,476452099,3993867776,4250756596,255256311,"   \
	"1640403810,2477592673,2164122517,1922457750,2791048317," \
	"1412925310,1197962378,3037525897,3944729517,427051182,"  \
	"170179418,4165941337,746937522,3740196785,3451792453,"   \
	"1070968646,1905808397,2213795598,2426610938,1657317369," \
	"3053634322,1147748369,1463399397,2773627110,4215344322," \
	"153784257,444234805,3893493558,1021025245,3467647198,"   \
	"3722505002,797665321,2197175160,1889384571,1674398607,"  \
	"2443626636,1164749927,3070701412,2757221520,1446797203," \
	"137323447,4198817972,3910406976,461344835,3484808360,"   \
	"1037989803,781091935,3705997148,2460548119,1623424788,"  \
	"1939049696,2180517859,1429367560,2807687179,3020495871," \
	"1180866812,410100952,3927582683,4182430767,186734380,"   \
	"3756733383,763408580,1053836080,3434856499,2722870694,"  \
	"1344288421,1131464017,2971354706,1708204729,2545590714," \
	"2229949006,1988219213,680717673,3673779818,3383336350,"  \
	"1002577565,4010310262,493091189,238226049,4233660802,"   \
	"2987750089,1082061258,1395524158,2705686845,1972364758," \
	"2279892693,2494862625,1725896226,952904198,3399985413,"  \
	"3656866545,731699698,4283874585,222117402,510512622,"    \
	"3959836397,3280807620,837199303,582374963,3504198960,"   \
	"68661723,4135334616,3844915500,390545967,1230274059,"    \
	"3141532936,2825850620,1510247935,2395924756,2091215383," \
	"1878366691,2644384480,3553878443,565732008,854102364,"   \
	"3229815391,340358836,3861050807,4117890627,119113024,"   \
	"1493875044,2875275879,3090270611,1247431312,2660249211," \
	"1828433272,2141937292,2378227087,3811616794,291187481,"  \
	"34330861,4032846830,615137029,3603020806,3314634738,"    \
	"939183345,1776939221,2609017814,2295496738,2058945313,"  \
	"2926798794,1545135305,1330124605,3173225534,4084100981," \
	"17165430,307568514,3762199681,888469610,3332340585,"     \
	"3587147933,665062302,2042050490,2346497209,2559330125,"  \
	"1793573966,3190661285,1279665062,1595330642,2910671697"

static const char *const texts[REDIS_SCRIPTS] = {
    [REDIS_SCRIPT_CLAIM] = "local v=redis.call('GET',KEYS[1])\n"
			   "if v then return v end\n"
			   "redis.call('SET',KEYS[1],ARGV[1],'PX',ARGV[2])\n"
			   "return false\n",
    [REDIS_SCRIPT_SETTLE] =
	CHECK "local t={[0]=" CRC_TABLE "}\n"
	      "local size,response=ARGV[6],ARGV[7]\n"
	      "if not size then\n"
	      " size,response=string.sub(v,97,100),string.sub(v,105+k)\n"
	      "end\n"
	      "local head='\\1'..ARGV[3]..string.sub(v,3,24)..ARGV[4]\n"
	      " ..string.sub(v,49,96)..size..string.sub(v,101,100+k)\n"
	      /* Numbers are doubles: exact, and faster than a call. */
	      "local xor,c=bit.bxor,4294967295\n"
	      "for _,b in ipairs({string.byte(head,1,-1)}) do\n"
	      " local low=c%256\n"
	      " c=xor((c-low)/256,t[xor(low,b)])%4294967296\n"
	      "end\n"
	      "c=4294967295-c\n"
	      "local crc=string.char(math.floor(c/16777216),\n"
	      " math.floor(c/65536)%256,math.floor(c/256)%256,c%256)\n"
	      /* Behind a DEL a server that is full takes what is no larger. */
	      "if #response==0 then redis.call('DEL',KEYS[1]) end\n"
	      "redis.call('SET',KEYS[1],head..crc..response,'PX',ARGV[5])\n"
	      "return 1\n",
    [REDIS_SCRIPT_RELEASE] = CHECK "redis.call('DEL',KEYS[1])\n"
				   "return 1\n",
};

const char *redis_script_text(enum redis_script script)
{
	return texts[script];
}

void redis_script_sha(enum redis_script script,
                      char ret_sha[REDIS_SCRIPT_SHA_SIZE])
{
	uint8_t digest[EVP_MAX_MD_SIZE];
	unsigned size = 0;
	int done = EVP_Digest(texts[script], strlen(texts[script]), digest,
	                      &size, EVP_sha1(), NULL);

	/* Without SHA-1 it is a name that no script has: EVAL does as well. */
	if (done != 1)
		memset(digest, 0, sizeof(digest));
	hex_write(ret_sha, digest, (REDIS_SCRIPT_SHA_SIZE - 1) / 2);
}
