/** Words that name nothing on their own: articles, prepositions, conjunctions, pronouns, auxiliaries, particles. */
const lists: Readonly<Record<string, string>> = {
  en: `a about above across after against all along also am among an and any are around as at be because been before behind being below
    beneath beside between beyond both but by can could did do does doing down during each either every few for from further had has have
    having he her here hers him his how i if in inside into is it it's its itself just let like may me might mine more most must my near
    neither no nor not of off on once one's only onto or other our ours out outside over own per please same shall she should so some such
    than that the their theirs them then there these they this those through to too toward towards under until up upon us very via was we
    were what when where which while who whom whose why will with within without would you your yours`,
  de: `aber alle als also am an auf aus bei beim bin bis das dass dein dem den der des die dies diese diesem diesen dieser dieses doch du
    durch ein eine einem einen einer eines er es für gegen hat hinter ich ihr ihre im in ist ja kein keine mein mit nach neben nicht noch
    nur oder ohne sein seine sich sie sind so über um und unser unter vom von vor war was wenn wer wie wir wird zu zum zur zwischen`,
  fr: `a à au aux avec c'est ce ces cette chez comme d' dans de des du elle en entre est et être il ils je l' la le les leur leurs lui ma mais
    me mes mon ne nos notre nous on ou où par pas plus pour qu' que qui sa sans se ses son sont sous sur ta te tes toi ton tu un une vers
    vos votre vous y`,
  es: `a al ante así bajo cada como con contra cual de del desde donde e el él ella en entre era es esa ese esta está este esto hacia hasta la
    las le lo los más me mi mis muy ni no nos o otra otro para pero por que qué se según ser si sí sin sobre son su sus tan te tu tus u
    un una unas uno unos y ya yo`,
  pt: `a à ao aos as às até com como da das de dela dele do dos e é ela ele em entre era essa esse esta está este eu foi isso isto já lhe mais
    mas me meu minha muito na não nas nem no nos nós o os ou para pela pelo por que quem se sem ser seu seus sob sobre sua suas são também
    te tem um uma umas uns você`,
  it: `a ad ai al alla alle allo anche c'è che chi ci col come con cui da dai dal dalla dei del dell' della delle dello di e è ed fra gli ha i il
    in io l' la le lei lo loro lui ma mi mio nei nel nella nelle non o ogni per più quella quello questa questo se si sia sono su sua sul
    sulla suo tra tu un un' una uno vi`,
  nl: `aan achter al als bij boven dan dat de den der deze die dit door een en er het hij hun ik in is je kan maar me met mijn na naar naast niet
    nog of om onder ons ook op over te tegen tot tussen u uit van voor wat we wij zich zij zijn zo zonder`,
  pl: 'a aby albo ale bez być co czy dla do go i ich ich im ja jak jako je jego jej jest ku lub ma między mi na nad nie niż o od on ona oni oraz po pod przed przez przy się są ta tak ten to tu ty u w we z za ze że',
  cs: 'a ale ani by být co do i já jak jako je jeho její jejich jen již k ke kde která které který ma mezi na nad ne nebo než o od on ona po pod pro před přes při s se si jsou ta tak ten to u v ve z za ze že',
  sv: 'alla att av bakom de dem den denna det detta du där efter eller en ett för från framför han har hennes hon i inte jag kan med mellan men mot nu när och om på sig sin som så till under upp ur ut utan var vi vid är över',
  da: 'af alle at bag da de dem den denne der det dette du efter eller en er et for fra han har hun i ikke jeg kan med mellem men mod ned nu når og om op over på sig sin som til ud uden under var ved vi',
  no: 'alle at av bak da de dem den denne der det dette du en er et etter eller for fra han har hun i ikke jeg kan med mellom men mot ned nå når og om opp over på seg sin som til under ut uten var ved vi å',
  fi: 'eikä ei en että hän ilman ja jo joka jos kanssa kuin kun me minä mukaan mutta myös ne niin nyt oli olla on ovat se sekä sen siis sinä tai te tämä vain vielä yli',
  hu: 'a az alatt által át be csak de egy ez ezt és fel fölött ha hogy is ki le már meg mellett mert mi mint nem ő pedig s számára van vagy volt',
  ro: 'a al ale am ar au ca că ce cel cu cum dar de din după ea ei el este fi fără iar în între la lângă le lor lui mai nu o pe pentru peste prin sa sau să se și sub sunt un una unei unui',
  tr: 'ama bir bu da daha de değil diye en gibi göre hem her için ile ise kadar ki mi mı mu mü ne o olan olarak onun şu ve veya ya',
  id: 'ada adalah akan atau bagi bahwa dalam dan dari dengan di dia ia ini itu juga kami karena ke kita mereka oleh pada saya sebagai tidak untuk yang',
  ms: 'ada adalah akan atau bagi dalam dan dari daripada dengan di dia ia ini itu juga kami kepada kerana mereka oleh pada saya sebagai tidak untuk yang',
  vi: 'bị bởi các cái cho có của cùng do được đã đang để đến hay khi không là lại mà mình một này nên những như nó ở ra rất sẽ tại theo thì trên trong từ và vào với về',
  ru: 'а без бы был была было быть в вас во вот вы где да для до его ее её если же за и из или им их к как ко кто ли мне мы на над не него нет ни но о об он она они оно от перед по под при про с со так там то тот ты у уже чем что это я',
  uk: 'а або але без би був бути в ви від він вона вони до для є за з зі і із й його її їх коли між ми на над не ні о об по під при про та так те ти то у це цей чи що як я',
  bg: 'а без би в ви във до за и из или им има как като към ли ми на над не него но о от по под при с са се си след със така те то той тя у ще я',
  el: 'αλλά αν από για δεν εδώ είναι ένα ένας εκεί ενώ η ή θα και κατά κι με μετά μια μία να ο οι όπως όταν ότι που πριν προς πως σε σου στα στη στην στις στο στον στους τα τη την της τι τις το τον του τους των ως',
  he: 'אבל או אחרי אל אם אני את אתה בין גם הוא היא הם זה זאת זו כי כמו כן לא לפני מה מי מן על עם רק של תחת',
  ar: 'أن أو إلى الذي التي إن بين تحت ثم حتى حول خلف ذلك على عليه عن عند فوق في قد كان كل لا لم له لها ما مع من هذا هذه هو هي و يا',
  fa: 'آن از اما اما اگر این با باید بر برای به بین تا در را روی زیر شد که ما من نیز هر هم و یا یک است بود های',
  ur: 'اس اور ایک بھی پر تک جو سے کا کر کو کی کے میں نہیں نے وہ ہے ہیں یا یہ',
  hi: 'आप इस उस एक और कर का कि की के को जो तक तो था थी थे द्वारा नहीं ने पर भी मैं में यह या ये लिए वह वे साथ से है हैं हो',
  bn: 'আর এই এক একটি এবং ও করে কিন্তু জন্য তার তাদের তিনি থেকে দিয়ে না নয় যে সঙ্গে সে সাথে হয় হতে',
  ta: 'அது அந்த ஆகிய இது இந்த உள்ள என்று ஒரு ஓர் மற்றும் மீது',
  th: 'กับ การ ของ ขึ้น คือ จะ จาก ซึ่ง ด้วย โดย ใต้ ใน บน ได้ ที่ นี้ นั้น เป็น ไป มา มี แล้ว และ ว่า หรือ ให้ อยู่ อย่าง',
  zh: '一个 一個 一 与 與 个 個 中 为 為 之 也 了 于 於 他 以 们 們 你 再 到 又 及 和 在 地 她 它 对 對 就 得 您 我 或 所 把 是 有 来 來 正在 的 着 著 给 給 而 被 让 讓 跟 这 這 那 都 里 裡 上 下 不',
  yue: '一個 一 與 個 中 為 之 也 了 於 佢 以 你 到 又 及 同 同埋 和 喺 嘅 咗 我 或 所 係 有 嚟 就 得 緊 而 被 呢 嗰 都 上 下 唔 的 在',
  ja: 'が から こと この これ さ し す する せ そ その それ た ため だ て で です では でも と という な ない に の は へ ます ませ まで も もの や よう より ら られ る れ を いる ある い って ながら',
  ko: '가 과 그 는 대한 도 된 등 및 로 를 수 에 에서 와 으로 은 을 의 이 있는 하고 하는 한',
};

const sets = new Map(
  Object.entries(lists).map(([language, words]) => [language, new Set(words.split(/\s+/u))]),
);
const none: ReadonlySet<string> = new Set();

/** The stop words of a language (BCP 47 primary subtag), lower-cased; English ones for `und`, none for one without a list. */
export function stopWords(language: string): ReadonlySet<string> {
  return sets.get(language === 'und' ? 'en' : language) ?? none;
}
