/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _LINUX_REFPAGE_H
#define _LINUX_REFPAGE_H

#include <linux/err.h>
#include <linux/highmem.h>
#include <linux/mm.h>
#include <linux/page-flags.h>
#include <linux/refcount.h>
#include <linux/vmstat.h>

/**
 * DOC: Reference pages
 *
 * mmap() with MAP_REFPAGE makes private memory whose pages read as a copy of a
 * page of the caller, the reference page, until they are written.
 *
 * The VMA is an anonymous one, vm_ops and vm_file are NULL, with VMA_REFPAGE
 * set. vma->vm_refpage, which lies where vm_private_data does, says what its
 * pages read as. Each of its pages is in one of three states:
 *
 * - untouched: there is no PTE, or no page table. It reads as the reference
 *   page. A read fault makes it clean, a write fault private.
 * - clean: a special PTE, not writable, maps the captured page. There is no
 *   rmap, no mapcount and no RSS, as with the zero page. A write fault makes it
 *   private.
 * - private: an anonymous page like any other, or its swap entry. When the PTE
 *   is zapped the page is untouched again.
 *
 * do_anonymous_page(), wp_page_copy() and, for huge pages,
 * vma_alloc_anon_folio_pmd() are the places where a store makes a private page
 * with the reference content. Each allocates a folio and calls refpage_fill(),
 * which writes all of it.
 *
 * The reference page is captured by refpage_capture(), before the mmap_lock is
 * taken: GUP finds the page, it is copied to a page of the kernel, and let go. The
 * user's page has no part in anything that follows. At the same time the content is
 * classified. If it repeats every 16 bytes, or every 8, 4, 2 or 1, then the two
 * words that repeat are kept, and refpage_fill() does not read the captured
 * page. A reference page that is a clean page itself was captured before:
 * refpage_get_clean() finds as what, and nothing is captured.
 *
 * Where an architecture keeps tags for memory, those of the reference page are
 * captured with it if its mapping shows them, and are part of the content from
 * then on: contents with other tags are not equal, and private pages have the
 * tags too. What tags are is the architecture's business. It defines
 * __HAVE_ARCH_REFPAGE_TAGS and the functions that are neutral without.
 *
 * A store to a range without clean pages allocates the large folio that other
 * anonymous memory would get there. The captured page itself is always a base
 * page, so that a read fault maps PTEs, also where a huge page could be: one,
 * or those up to the end of 64 KB if loads come in a row.
 * khugepaged and MADV_COLLAPSE copy the captured page where a PTE is none or
 * clean. When a large folio is split, subpages that read as the reference page
 * become clean, as zero-filled ones become the zero page elsewhere. The shrinker
 * of underused huge pages does not get to see these: it looks for zeros, and
 * would have to find the VMA to know what to look for instead.
 */

/**
 * DOC: Invariants
 *
 * 1. In a VMA with VMA_REFPAGE, a present special PTE maps
 *    vma_clean_page() and nothing else, in particular not the zero page.
 *    Whoever maps the zero page elsewhere must not do it here: the read fault,
 *    KSM, UFFDIO_ZEROPAGE and the splitting of large folios look at
 *    vma_is_refpage(), and so does the read fault that would map the huge zero
 *    page; UFFDIO_MOVE and migration to device memory are refused.
 *    __vm_normal_page() reports any other special PTE as a bad page map; with
 *    CONFIG_DEBUG_VM it warns about the zero page.
 *
 * 2. vma->vm_refpage is set before the VMA is attached and does not change
 *    until vm_area_free(). dup_mmap() replaces it in the child's VMA before
 *    that is attached.
 *
 * 3. Each VMA with VMA_REFPAGE owns one reference on its &struct refpage.
 *    __mmap_new_vma() and vm_area_dup() take it, vm_area_free() drops it.
 *
 * 4. The captured page is an order-0 page of the kernel, not movable, on no
 *    LRU, without mapping, and its mapcount does not change. Nobody writes to
 *    it after it was captured. Memory failure may mark it; from then on
 *    do_anonymous_page() does not map it any more, GUP does not return it,
 *    mappings made later do not share it, and filling, collapsing and splitting
 *    do not read it.
 *
 * 5. VMAs merge only if their vm_refpage pointers are equal, NULL included; see
 *    is_mergeable_vma(). Within an mm, equal contents have equal pointers,
 *    except where two contents have one hash, or the memory of a captured page
 *    has failed: then only one of two is shared, and VMAs of the other do not
 *    merge with its VMAs.
 *
 * 6. The child's &struct refpage has the captured page of the parent's, not a
 *    copy: fork copies special PTEs as they are.
 *
 * 7. A private folio is filled before __folio_mark_uptodate(), whose barrier
 *    orders the content before the PTE.
 */

/**
 * DOC: Lifetime and locking
 *
 * References::
 *
 *   VMA, mmap() in progress --> struct refpage --> captured page
 *                                     |
 *   mm->refpages ----------------> refpage_set - - (weak) - -> struct refpage
 *
 * - &struct refpage is counted by its ref: one for each VMA and one for each
 *   mmap() between refpage_capture() or refpage_get_clean() and its
 *   refpage_put().
 * - The captured page is shared by the &struct refpage of a parent and those of
 *   its children, each of which counts as one user. The last one frees it. GUP
 *   holds ordinary folio references, so the memory may stay longer.
 * - The set lists the reference pages of an mm by the hash of their content.
 *   mm->refpages and each &struct refpage of the mm hold a reference on it.
 *   Being listed is no reference: a lookup takes one only if the count is not
 *   zero, and the last put takes the entry off the list, under the set's lock,
 *   before the object is freed.
 * - The set comes into being with the first capture or fork that needs it. It
 *   is published in mm->refpages by cmpxchg() and taken away by refpage_exit(),
 *   from __mmput(), after exit_mmap() has freed the VMAs.
 *
 * Special PTEs hold no reference, and zapping one does not hand the page to
 * mmu_gather. What keeps the page until no CPU has it in its TLB any more is
 * the VMA's reference, and so that must not be dropped before the TLB flush.
 * It is not: vm_area_free() is called after tlb_finish_mmu(), for unmapping and
 * for exit. A VMA that is merged into another one may go earlier, since by
 * invariant 5 the other has a reference on the same &struct refpage.
 *
 * Whoever dereferences vma->vm_refpage holds the mmap_lock or the VMA lock, or
 * the VMA is not attached. Splitting a large folio holds the lock of the anon_vma
 * that it found the VMA by. That will do, because vm_refpage is final before the
 * VMA is linked there, in dup_mmap() too, and the VMA is freed after it is
 * unlinked. Under RCU alone it must not be followed, because VMAs are
 * SLAB_TYPESAFE_BY_RCU.
 *
 * Lock order::
 *
 *   mmap_lock
 *     lock of the set
 *
 * The lock of the set is a spinlock and the innermost lock: lookups, insertions
 * and removals happen under it, allocating and freeing do not. It is the only
 * lock that refpage_put() takes, so that vm_area_free() may call it whether the
 * mmap_lock is held or not. Faults do not take it.
 *
 * refpage_capture() must not be called with the mmap_lock held: GUP takes it,
 * and may wait for a userfaultfd of the caller.
 */

/**
 * DOC: Accounting
 *
 * - Clean PTEs count nowhere: vm_normal_page() returns NULL for them, so that
 *   fork, zap, smaps and numa_maps take no notice of them.
 * - Private pages are counted and charged by the code that does so for all
 *   anonymous memory. Overcommit and RLIMIT_DATA do not tell the VMA from other
 *   anonymous ones.
 * - The captured page and all bookkeeping are charged as kernel memory to the
 *   memory cgroup of the task that is in mmap() or fork(), with
 *   __GFP_RETRY_MAYFAIL: at the limit the call fails and nobody is killed for
 *   it.
 *   There is no charge when a child starts to share a captured page, and the
 *   charge does not move.
 * - nr_refpage is the number of captured pages that some &struct refpage uses,
 *   or a capture that is in progress. refpage_capture counts captures, also
 *   those whose copy is dropped because the content is listed already.
 *   refpage_cow counts calls of refpage_fill().
 */

/**
 * DOC: C and Rust
 *
 * C has the page tables and everything that is a test of a flag or of a PFN:
 * the inlines of this header, constant or neutral without CONFIG_REFPAGE, and
 * the hooks in mm/. It looks at the first part of the object only, &struct
 * refpage, which is enough to tell how a page is filled.
 *
 * mm/refpage/ is Rust and knows nothing about page tables. It validates the
 * request (lookup.rs), captures the page (capture.rs), classifies and fills
 * (content.rs), also with tags (tags.rs), counts references (object.rs), lists
 * contents (set.rs) and accounts (accounting.rs). refpage.rs has the functions
 * that C calls; bindgen reads their prototypes below, and the compiler checks
 * that both sides agree.
 *
 * What is of use elsewhere is in rust/kernel/mm/: a page of user memory (gup.rs),
 * a page that does not change any more (immutable.rs), a new folio (folio.rs) and
 * the counters (vmstat.rs).
 */

/**
 * struct refpage - What the never-written pages of a mapping read as.
 * @ref: One reference for each VMA of the process that maps it and one for
 *       each mmap() in progress.
 * @page: The captured page: order-0, kernel-owned, not on any LRU, without
 *        mapping or rmap. Its content never changes. Page tables map it with
 *        special PTEs that hold no reference; GUP takes ordinary ones, so the
 *        page may outlive this structure.
 * @tags: What the architecture says of the tags of @page, 0 if there are none.
 * @pair: The two words that the content repeats, if @has_pair.
 * @has_pair: It does so, and there are no tags.
 *
 * There is one &struct refpage for each distinct content in an mm_struct. This
 * is the part that C looks at, the rest belongs to mm/refpage/.
 */
struct refpage {
	refcount_t ref;
	struct page *page;
	u64 tags;
	u64 pair[2];
	bool has_pair;
};

#ifdef CONFIG_REFPAGE

unsigned long refpage_address(unsigned long flags, unsigned long fd,
			      unsigned long pgoff);
struct refpage *refpage_capture(struct mm_struct *mm, unsigned long addr);
struct refpage *refpage_fork(struct mm_struct *mm, struct refpage *refpage);
struct refpage *refpage_get_clean(struct mm_struct *mm, unsigned long addr);
void refpage_free(struct refpage *refpage);
int refpage_fill_folio(struct refpage *refpage, struct folio *folio,
		       unsigned long addr, struct vm_area_struct *vma);
void refpage_fill_page(void *start, u64 even, u64 odd);
void refpage_exit(struct mm_struct *mm);

/**
 * refpage_get() - Take another reference.
 * @refpage: A reference page on which the caller holds a reference.
 *
 * Context: Any. Saturates instead of overflowing.
 */
static inline void refpage_get(struct refpage *refpage)
{
	refcount_inc(&refpage->ref);
}

/**
 * refpage_put() - Drop a reference.
 * @refpage: A reference page, with a reference that the caller gives away.
 *
 * Context: Process context. Takes no lock but the innermost one of the
 * reference pages, and that only if it was the last reference.
 */
static inline void refpage_put(struct refpage *refpage)
{
	if (refcount_dec_and_test(&refpage->ref))
		refpage_free(refpage);
}

/**
 * refpage_page() - The captured page.
 * @refpage: The reference page.
 *
 * Return: The page. It is borrowed: it lives as long as @refpage, take a
 * reference on its folio to keep it longer.
 */
static inline struct page *refpage_page(const struct refpage *refpage)
{
	return refpage->page;
}

static inline void mm_init_refpage(struct mm_struct *mm)
{
	mm->refpages = NULL;
}

#ifndef arch_refpage_prepare
/**
 * arch_refpage_prepare() - Make a captured page fit for special PTEs.
 * @page: The captured page, with its content, not yet mapped by anyone.
 *
 * Where set_pte_at() synchronises caches or memory tags it does so for normal
 * pages only. Such an architecture defines this function, and a macro of the
 * same name, to do it once and for all.
 *
 * Context: Process context.
 */
static inline void arch_refpage_prepare(struct page *page)
{
}
#endif

#ifndef __HAVE_ARCH_REFPAGE_TAGS
/**
 * arch_refpage_capture_tags() - Take over the tags of a reference page.
 * @page: The captured page, with its content, not yet mapped by anyone.
 * @source: The page that it was copied from.
 * @addr: The address of @source in the current mm, which may have tag bits.
 *
 * If the mapping of @source does not show tags, @page has none that anyone
 * could see.
 *
 * Context: Process context, no mmap_lock held. May sleep.
 *
 * Return: 0 if @page has no tags, else a number that is the same for the same
 * tags, and hardly ever for others.
 */
static inline u64 arch_refpage_capture_tags(struct page *page,
					    struct page *source,
					    unsigned long addr)
{
	return 0;
}

/**
 * arch_refpage_same_tags() - Have two captured pages the same tags?
 * @a: A captured page.
 * @b: Another one, for which arch_refpage_capture_tags() returned the same.
 *
 * Return: True if all of their tags are equal.
 */
static inline bool arch_refpage_same_tags(struct page *a, struct page *b)
{
	return true;
}

/**
 * arch_refpage_fill_tags() - Give a new page the tags of the captured one.
 * @page: A page that is not yet mapped.
 * @captured: The captured page.
 * @tags: What arch_refpage_capture_tags() returned for it, not 0.
 * @even: The words that the content repeats.
 * @odd: As above.
 *
 * Return: True if @page was filled with the content on the way, false if the
 * caller has to do it.
 */
static inline bool arch_refpage_fill_tags(struct page *page,
					  struct page *captured, u64 tags,
					  u64 even, u64 odd)
{
	return false;
}

/**
 * arch_refpage_copy_untagged() - Copy a captured page that has no tags.
 * @page: A page that is not yet mapped.
 * @captured: The captured page, for which arch_refpage_capture_tags() returned 0.
 * @addr: Where @page is going to be mapped.
 * @vma: The VMA there.
 *
 * The captured page may have to look as if it had tags, since no set_pte_at()
 * gives it any. @page must not: it is to be like other anonymous pages.
 *
 * Return: 0, or another number if the hardware cannot read @captured.
 */
static inline int arch_refpage_copy_untagged(struct page *page,
					     struct page *captured,
					     unsigned long addr,
					     struct vm_area_struct *vma)
{
	return copy_mc_user_highpage(page, captured, addr, vma);
}

/**
 * arch_refpage_zero_tags() - Give a page tags of 0 if it has none.
 * @page: A page that is not yet mapped, with its content.
 */
static inline void arch_refpage_zero_tags(struct page *page)
{
}

/**
 * arch_refpage_identical() - Does a page read as the captured one, tags too?
 * @page: A page that nobody writes to at the moment.
 * @captured: The captured page.
 *
 * Return: True if it does.
 */
static inline bool arch_refpage_identical(struct page *page,
					  struct page *captured)
{
	return pages_identical(page, captured);
}

/* Are the tags of what is mapped there part of what @vma shows? */
static inline bool arch_vma_shows_tags(const struct vm_area_struct *vma)
{
	return true;
}
#endif /* __HAVE_ARCH_REFPAGE_TAGS */

/**
 * refpage_copy() - Copy the captured page, with its tags if it has some.
 * @refpage: The reference page.
 * @page: A page that is not yet mapped.
 * @addr: Where it is going to be mapped.
 * @vma: The VMA there.
 *
 * Return: 0, or another number if the hardware cannot read the captured page.
 */
static inline int refpage_copy(struct refpage *refpage, struct page *page,
			       unsigned long addr, struct vm_area_struct *vma)
{
	if (refpage->tags)
		return copy_mc_user_highpage(page, refpage->page, addr, vma);
	return arch_refpage_copy_untagged(page, refpage->page, addr, vma);
}

/**
 * refpage_even_tags() - Give a page tags if those are that refpage_fill() fills.
 * @refpage: The reference page.
 * @page: A page of a new large folio, a copy of a private page.
 *
 * What userfaultfd fills may have none. A large folio must not have both kinds:
 * when it is split, all its pages are taken for what the first one is.
 */
static inline void refpage_even_tags(struct refpage *refpage, struct page *page)
{
	if (refpage->tags)
		arch_refpage_zero_tags(page);
}

/**
 * refpage_fill() - Fill a folio with the reference content.
 * @refpage: The reference page.
 * @folio: A new folio of any order that nobody else can see.
 * @addr: An address that the folio will be mapped at, naturally aligned. The page
 *        there will be in the cache.
 * @vma: The VMA where it will be mapped.
 *
 * A page that repeats two words takes little more than clearing it, so nothing
 * else is looked at for that.
 *
 * Context: Process context with the mmap lock or the VMA lock held and no
 * spinlock.
 *
 * Return: 0, or -EHWPOISON if the hardware cannot read the captured page.
 */
static inline int refpage_fill(struct refpage *refpage, struct folio *folio,
			       unsigned long addr, struct vm_area_struct *vma)
{
	if (!refpage->has_pair || folio_test_large(folio))
		return refpage_fill_folio(refpage, folio, addr, vma);

	count_vm_event(REFPAGE_COW);
	refpage_fill_page(folio_address(folio), refpage->pair[0],
			  refpage->pair[1]);
	return 0;
}

#else /* CONFIG_REFPAGE */

static inline unsigned long refpage_address(unsigned long flags,
					    unsigned long fd,
					    unsigned long pgoff)
{
	return -EOPNOTSUPP;
}

static inline struct refpage *refpage_capture(struct mm_struct *mm,
					      unsigned long addr)
{
	return ERR_PTR(-EOPNOTSUPP);
}

static inline struct refpage *refpage_get_clean(struct mm_struct *mm,
						unsigned long addr)
{
	return NULL;
}

static inline struct refpage *refpage_fork(struct mm_struct *mm,
					   struct refpage *refpage)
{
	return NULL;
}

static inline void refpage_get(struct refpage *refpage)
{
}

static inline void refpage_put(struct refpage *refpage)
{
}

static inline int refpage_fill(struct refpage *refpage, struct folio *folio,
			       unsigned long addr, struct vm_area_struct *vma)
{
	return 0;
}

static inline struct page *refpage_page(const struct refpage *refpage)
{
	return NULL;
}

static inline bool arch_refpage_identical(struct page *page,
					  struct page *captured)
{
	return false;
}

static inline int refpage_copy(struct refpage *refpage, struct page *page,
			       unsigned long addr, struct vm_area_struct *vma)
{
	return 0;
}

static inline void refpage_even_tags(struct refpage *refpage, struct page *page)
{
}

static inline void mm_init_refpage(struct mm_struct *mm)
{
}

static inline void refpage_exit(struct mm_struct *mm)
{
}

#endif /* CONFIG_REFPAGE */

/**
 * vma_is_refpage() - Do never-written pages read as a reference page?
 * @vma: The VMA.
 *
 * Context: The mmap_lock or the VMA lock is held, or @vma is not attached.
 *
 * Return: True if they do, false if they read as zeros or come from a file.
 * Constant false without CONFIG_REFPAGE.
 */
static inline bool vma_is_refpage(const struct vm_area_struct *vma)
{
	/* A test of one bit is one instruction. A mask is built in memory first. */
	return IS_ENABLED(CONFIG_REFPAGE) && vma_test(vma, VMA_REFPAGE_BIT);
}

/**
 * vma_refpage() - The reference page of a VMA.
 * @vma: The VMA.
 *
 * It is set before the VMA is attached and stays the same until the VMA is
 * freed, after the TLB flush. VMAs are typesafe by RCU: under bare RCU the
 * pointer may belong to another VMA's life, do not follow it there.
 *
 * Context: The mmap_lock or the VMA lock is held, or @vma is not attached.
 *
 * Return: The reference page, without a reference for the caller, or NULL if
 * @vma has none.
 */
static inline struct refpage *vma_refpage(const struct vm_area_struct *vma)
{
	return vma_is_refpage(vma) ? vma->vm_refpage : NULL;
}

/**
 * vma_clean_page() - The page that the VMA's clean PTEs map.
 * @vma: The VMA.
 *
 * A PTE is clean if it is present and special in a VMA that has a reference
 * page. It maps this page and no other: in particular never the zero page.
 *
 * Context: The mmap_lock, the VMA lock, or the lock of the VMA's anon_vma is
 * held.
 *
 * Return: The borrowed page, see refpage_page(), or NULL if @vma has none.
 */
static inline struct page *vma_clean_page(const struct vm_area_struct *vma)
{
	return vma_is_refpage(vma) ? refpage_page(vma->vm_refpage) : NULL;
}

/**
 * vma_dup_refpage() - Give a copied VMA its own reference.
 * @vma: A copy that is not yet attached; vma->vm_refpage is the original's.
 */
static inline void vma_dup_refpage(struct vm_area_struct *vma)
{
	if (vma_is_refpage(vma))
		refpage_get(vma->vm_refpage);
}

/**
 * vma_fork_refpage() - Make a copied VMA use its own mm's reference page.
 * @vma: A VMA of the child, not yet attached, that holds a reference on the
 *       parent's reference page.
 *
 * Each mm lists its reference pages by content, so that mappings which the
 * child makes later can merge with those it inherits. The captured page itself
 * is shared with the parent.
 *
 * Context: Process context, may sleep.
 *
 * Return: 0 or -ENOMEM; @vma then still holds the parent's.
 */
static inline int vma_fork_refpage(struct vm_area_struct *vma)
{
	struct refpage *refpage;

	if (!vma_is_refpage(vma))
		return 0;

	refpage = refpage_fork(vma->vm_mm, vma->vm_refpage);
	if (IS_ERR(refpage))
		return PTR_ERR(refpage);

	refpage_put(vma->vm_refpage);
	vma->vm_refpage = refpage;
	return 0;
}

/**
 * vma_put_refpage() - Drop the VMA's reference.
 * @vma: A detached VMA.
 *
 * Special PTEs hold no reference and mmu_gather does not know the page, so
 * this must come after the TLB flush: call it when the VMA is freed and not
 * before.
 *
 * Context: Process context.
 */
static inline void vma_put_refpage(struct vm_area_struct *vma)
{
	if (vma_is_refpage(vma) && vma->vm_refpage)
		refpage_put(vma->vm_refpage);
}

#endif /* _LINUX_REFPAGE_H */
